"""Learning what a patch computes: recordings, splits, the network, its quantization and evaluation."""
