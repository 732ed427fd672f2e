"""A whole file of rows answered as the service would: streamed, resumable, without HTTP."""
