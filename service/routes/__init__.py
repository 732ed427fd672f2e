"""HTTP routes: thin functions that call the pipeline and the registry."""
