"""The pages of ``evenhand evaluate``, ``flip``, ``causal`` and ``compare``; the report of a period."""
