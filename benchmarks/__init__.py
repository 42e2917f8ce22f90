"""Measurements: `python -m benchmarks` at the top of the source tree, with `wintun` installed."""
