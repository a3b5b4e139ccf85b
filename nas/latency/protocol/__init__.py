"""The measurement protocol: references, calibration, slices, what is dropped, the estimate."""
