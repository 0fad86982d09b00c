"""The same densities on the latents of a VAE."""
