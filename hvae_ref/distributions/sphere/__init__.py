"""Directions: distributions on the unit sphere, and the Bessel functions behind them."""
