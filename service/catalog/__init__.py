"""Which models are served: versions, roles, reload, shadow, and what operators switch."""
