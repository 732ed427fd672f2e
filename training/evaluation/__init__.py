"""Score a bundle by its own graph: rates, intervals, calibration."""
