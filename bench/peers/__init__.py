"""One small server per peer, each as its own project recommends, all around the same base model."""
