"""Learn the base, the detectors and the adapters."""
