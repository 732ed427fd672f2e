"""How a fair classifier is made and evaluated. Empty, so that the command line starts without torch."""
