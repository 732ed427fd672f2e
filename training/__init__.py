"""How a fair classifier is made and evaluated. Empty on purpose: the command line must start without torch."""
