"""Compiles a trained patch: filters to fixed point, .tflite to C, memory and cost, firmware images."""
