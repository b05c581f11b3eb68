"""What a patch computes: the spec, the float reference, the integer twin, the bundle."""
