"""Reference implementations of hierarchical variational autoencoders.

The code of a model is its graphical model: each arrow is an attribute named after its factor
(`p_z1_given_z2`, `q_z2_given_x`, …), and calling it returns a `torch.distributions.Distribution`.
"""

__version__ = "0.1.0"
