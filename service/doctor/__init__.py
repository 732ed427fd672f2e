"""``evenhand doctor``: checks of settings, bundles, record, clock, packages and port."""
