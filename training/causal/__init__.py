"""Effects of a sensitive attribute on a model's decision, along the arrows of the user's causal graph."""
