"""Ready recipes: published data sets, from their files to a bundle, with one command each."""
