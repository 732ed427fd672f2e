"""Measurements behind figures. Nothing here is installed; run from the repository's root."""
