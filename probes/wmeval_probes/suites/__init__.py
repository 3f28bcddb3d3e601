"""Suites, the training split, and the anchors that ship with them."""
