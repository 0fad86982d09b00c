"""Densities over maps: mixtures at every position, given what came before."""
