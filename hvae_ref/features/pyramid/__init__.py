"""Pyramids of feature maps: backbones, geometry, reduction."""
