"""Effects of a sensitive attribute on a model's decision, along the arrows of a causal graph that the user draws."""
