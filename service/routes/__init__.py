"""HTTP routes: thin, over the pipeline and the registry."""
