"""Load and micro benchmarks, always side by side with a baseline."""
