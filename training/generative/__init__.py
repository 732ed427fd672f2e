"""Preference tuning and gated steering of language models, as files for the user's own server."""
