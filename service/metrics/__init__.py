"""Every Prometheus series of the service."""
