"""What an image costs, counted while an emulated Cortex-M4 runs it: instructions, cycles, stack, by call and by layer."""
