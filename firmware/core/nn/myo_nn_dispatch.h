/* Which kernels a build runs, decided here and nowhere else.

   MYO_NN_DSP is 1 where the core has the DSP extension (Cortex-M4, M7, M33, M55): then networks are compiled
   against myo_nn_dsp.h, with weights packed for it. Everywhere else, and where MYO_NN_PLAIN is defined, it is
   0 and the plain kernels of myo_nn.h run. Both give the same bits. */
#ifndef MYO_NN_DISPATCH_H
#define MYO_NN_DISPATCH_H

#if defined(__ARM_FEATURE_DSP) && !defined(MYO_NN_PLAIN)
#define MYO_NN_DSP 1
#else
#define MYO_NN_DSP 0
#endif

#endif
