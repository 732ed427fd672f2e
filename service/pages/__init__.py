"""Static pages that the service answers with."""
