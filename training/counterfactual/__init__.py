"""The same rows with another group in them, and how often the answer flips."""
