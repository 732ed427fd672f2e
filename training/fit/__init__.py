"""``evenhand fit``: the stages in order, and the bundle that they write."""
