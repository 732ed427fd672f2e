"""The network in torch: base, detectors, correctors."""
