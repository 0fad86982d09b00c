"""Any number of levels in a chain, inferred from the bottom up: the baseline of the ladder paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.models.base import Choose, Inference
from hvae_ref.models.bottom_up_model import BottomUpModel
from hvae_ref.models.posteriors import Flow, conditional_posterior, flow_names
from hvae_ref.nn.heads import ConditionalNormal, conditional_pixels, outputs_per_pixel, standard_normal
from hvae_ref.nn.layers import Rescale, mlp


class BottomUpVAE(BottomUpModel):
    """p(x|z1) Π p(z_l|z_{l+1}) p(z_L) with q(z1|x) Π q(z_{l+1}|z_l); eq. 2.8 in the book.

    Args:
        data_dim: D.
        latent_dims: sizes from the bottom up, such as (64, 32, 16, 8, 4).
        hidden: width of the two hidden layers between x and z1, and of the one between any two latents.
        likelihood: "bernoulli", "categorical" or "logistic_mixture".
        num_values: V.
        components: logistics a pixel, for "logistic_mixture".
        flow: family of `hvae_ref.flows` that bends the Gaussian posteriors ("planar", "orthogonal", "householder",
            "triangular", "iaf"): one for all levels, or one by level, {"z1": "iaf"}. The KL of a level with a flow is
            a one-sample estimate.
        flow_steps: length of each flow.

    The KL of the top level is exact (unless `kl` says otherwise); those below are one-sample estimates.

    Reference:
        Sønderby et al. (2016), Ladder Variational Autoencoders, https://arxiv.org/abs/1602.02282
    """

    def __init__(
        self,
        data_dim: int,
        latent_dims: Sequence[int] = (64, 32, 16, 8, 4),
        hidden: int = 256,
        likelihood: str = "bernoulli",
        num_values: int = 2,
        components: int = 5,
        flow: Flow = None,
        flow_steps: int = 4,
    ) -> None:
        super().__init__(data_dim, latent_dims, num_values)
        d1, out = latent_dims[0], data_dim * outputs_per_pixel(likelihood, num_values, components)
        family = flow_names(flow, self.levels)

        def encoder(outputs: int) -> nn.Module:
            return nn.Sequential(Rescale(num_values - 1), mlp([data_dim, hidden, hidden, outputs]))

        def net_given(below: int) -> Callable[[int], nn.Module]:
            return lambda outputs: mlp([below, hidden, outputs])

        self.q_z1_given_x = conditional_posterior(encoder, d1, family["z1"], flow_steps)
        self.p_x_given_z1 = conditional_pixels(mlp([d1, hidden, hidden, out]), likelihood, num_values, components)
        pairs = list(zip(latent_dims[:-1], latent_dims[1:], strict=True))
        self.q_given_below = nn.ModuleDict(
            {
                f"z{i}": conditional_posterior(net_given(below), size, family[f"z{i}"], flow_steps)
                for i, (below, size) in enumerate(pairs, 2)
            }
        )
        self.p_given_above = nn.ModuleDict(
            {f"z{i}": ConditionalNormal(mlp([above, hidden, 2 * size])) for i, (size, above) in enumerate(pairs, 1)}
        )

    def infer(self, x: Tensor) -> Inference:
        """Bottom up: q(z1|x), then each level given a sample of the one below."""
        q = {"z1": self.q_z1_given_x(self.check(x))}
        z = {"z1": q["z1"].rsample()}
        for level, q_given_below in self.q_given_below.items():
            q[level] = q_given_below(z[f"z{int(level[1:]) - 1}"])
            z[level] = q[level].rsample()
        return Inference(q={name: q[name] for name in self.levels}, z={name: z[name] for name in self.levels})

    def descend(self, choose: Choose, n: int) -> Distribution:
        """Top down: each latent given the one above, then p(x|z1)."""
        top, *below = self.levels
        z = choose(top, standard_normal(n, self.dims[top], like=self.like))
        for level in below:
            z = choose(level, self.p_given_above[level](z))
        return self.p_x_given_z1(z)
