"""The top-down VAE with relative posteriors, and the usual nets for it."""

from __future__ import annotations

from collections.abc import Sequence

from hvae_ref.models.base import Shape
from hvae_ref.models.nets.convolutional import convolutional_nets
from hvae_ref.models.nets.dense import Flow
from hvae_ref.models.nets.dense_top_down import top_down_nets
from hvae_ref.models.top_down_model import TopDownModel
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood


class TopDownVAE(TopDownModel):
    """A `TopDownModel` whose builders give it relative posteriors: a shift and a scaling of the prior; eq. 3.5–3.6.

    Arguments as in `TopDownModel`, for nets from outside.

    Reference:
        Vahdat and Kautz (2020), NVAE, https://arxiv.org/abs/2007.03898

    >>> import torch
    >>> model = TopDownVAE.dense(64, latent_dims=(8, 4), hidden=32)
    >>> list(model.elbo(torch.zeros(5, 64)).kl)
    ['z2', 'z1']
    """

    builds = {"posterior": "relative", "residual": True}
    """What the builders make where they are not told."""

    @classmethod
    def dense(
        cls,
        x_shape: Shape,
        latent_dims: Sequence[int] = (16, 8),
        hidden: int = 256,
        residual: bool | None = None,
        posterior: str | None = None,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        dropout: float = 0.0,
        flow: Flow = None,
        flow_steps: int = 4,
        top: str = "gaussian",
        condition: Condition | None = None,
    ) -> TopDownVAE:
        """Multilayer perceptrons with residual blocks, all states of one width.

        Args:
            x_shape: event shape of x; images are flattened inside the nets.
            latent_dims: sizes from the bottom up.
            hidden: width of the side path and of the state.
            residual: carry the state past each latent, so that x sees all levels; None for the class's own (`builds`).
            posterior: "relative" (eq. 3.5–3.6), or "ladder" (eq. 3.3–3.4); None for the class's own.
            likelihood: of each value of x.
            dropout: probability of dropping a hidden unit while training.
            flow: family of `hvae_ref.flows` that bends the Gaussian posteriors: one for all levels, or one by level,
                {"z1": "iaf"}. The KL of a level with a flow is a one-sample estimate.
            flow_steps: length of each flow.
            top: "gaussian", or "sphere" for z_L on the unit sphere, uniform before x is seen (eq. 5.11).
            condition: what the side path, the priors below the top and p(x|·) see too; None for none.

        Raises:
            ValueError: for an unknown name, or sizes below 1.
        """
        posterior, residual = cls._choices(posterior, residual)
        nets = top_down_nets(
            x_shape, latent_dims, hidden, posterior, likelihood, dropout, flow, flow_steps, top, condition
        )
        return cls(x_shape, **nets, residual=residual, condition=condition)

    @classmethod
    def convolutional(
        cls,
        x_shape: Sequence[int],
        latent_shapes: Sequence[Shape] = ((4, 7, 7), (8, 4, 4), 16),
        hidden: int = 32,
        blocks: int = 1,
        residual: bool | None = None,
        posterior: str | None = None,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        condition: Condition | None = None,
    ) -> TopDownVAE:
        """Residual convolutions; latents that are maps, and vectors above them if wanted.

        The posteriors read the state as well as the side path.

        Args:
            x_shape: (channels, height, width).
            latent_shapes: event shapes from the bottom up, (channels, height, width) of a map or the size of a vector.
                Each height and width is the one below halved, rounding up, any number of times.
            hidden: channels of all maps inside; vectors have four times as many features.
            blocks: residual blocks at each size on the way up and down.
            residual: carry the state past each latent, so that x sees all levels; None for the class's own (`builds`).
            posterior: "relative" (eq. 3.5–3.6), or "ladder" (eq. 3.3–3.4); None for the class's own.
            likelihood: of each value of x.
            condition: what the side path, the priors below the top and p(x|·) see too; None for none.

        Raises:
            ValueError: for shapes that halving does not lead to, an unknown name, or sizes below 1.

        >>> TopDownVAE.convolutional((1, 28, 28)).shapes
        {'z3': torch.Size([16]), 'z2': torch.Size([8, 4, 4]), 'z1': torch.Size([4, 7, 7])}
        """
        posterior, residual = cls._choices(posterior, residual)
        nets = convolutional_nets(x_shape, latent_shapes, hidden, blocks, posterior, likelihood, condition)
        return cls(x_shape, **nets, residual=residual, condition=condition)

    @classmethod
    def _choices(cls, posterior: str | None, residual: bool | None) -> tuple[str, bool]:
        """What a builder was told, or what the class builds otherwise."""
        posterior = cls.builds["posterior"] if posterior is None else posterior
        return posterior, cls.builds["residual"] if residual is None else residual
