"""Estimates, anomaly scores and the baselines beside them."""
