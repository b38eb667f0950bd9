"""Calibration: intrinsics, hand-eye, table, latency, drift, and their reports."""
