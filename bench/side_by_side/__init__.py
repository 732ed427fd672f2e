"""Evenhand and its peers around the same base model, under the same load, in turn."""
