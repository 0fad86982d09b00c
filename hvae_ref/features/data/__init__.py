"""Textures, and patches that do not belong."""
