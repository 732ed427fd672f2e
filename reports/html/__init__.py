"""What every page shares: the templates, the figures, and how numbers are put into words."""
