"""How a fair classifier is made and judged. Empty on purpose: the command line must start without torch."""
