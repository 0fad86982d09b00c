"""Layers and networks, heads that answer distributions, and likelihoods."""
