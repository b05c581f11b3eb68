/* Which kernels a build runs, decided here and nowhere else.

   MYO_NN_MVE is 1 where the core has Helium's integer instructions (Cortex-M55, M85): then networks are
   compiled against myo_nn_mve.h. MYO_NN_DSP is 1 where it has the DSP extension (Cortex-M4, M7, M33, and
   those with Helium): then they may be compiled against myo_nn_dsp.h, with weights packed for it. Where both
   are 1, Helium goes first, layer by layer: what it has no kernel for, an LSTM, runs as on the others.
   Everywhere else, and where MYO_NN_PLAIN is defined, both are 0 and the plain kernels of myo_nn.h run. All
   give the same bits. */
#ifndef MYO_NN_DISPATCH_H
#define MYO_NN_DISPATCH_H

#if defined(__ARM_FEATURE_DSP) && !defined(MYO_NN_PLAIN)
#define MYO_NN_DSP 1
#else
#define MYO_NN_DSP 0
#endif

#if defined(__ARM_FEATURE_MVE) && !defined(MYO_NN_PLAIN)
#define MYO_NN_MVE 1
#else
#define MYO_NN_MVE 0
#endif

#endif
