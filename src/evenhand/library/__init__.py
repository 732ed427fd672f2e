"""Evenhand as a library: a classifier that follows scikit-learn's rules, and bundles as objects in memory."""
