"""What a fair classifier is. Empty on purpose: `models.bundle` must not pull in torch."""
