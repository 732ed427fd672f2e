"""Generative models: preference tuning and gated steering, as files for the user's own language model server."""
