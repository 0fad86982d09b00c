"""A top-down VAE of many levels on maps, after Very Deep VAEs and NVAE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from hvae_ref.models.arrows import check_arrows
from hvae_ref.models.base import Shape
from hvae_ref.models.latents import LatentSource
from hvae_ref.models.nets.deep import deep_nets
from hvae_ref.models.top_down_model import TopDownModel
from hvae_ref.nn.conditions import Condition
from hvae_ref.nn.likelihoods import Bernoulli, Likelihood


class DeepTopDownVAE(TopDownModel):
    """p(x|z) Π p(z_l|z_>l) with several levels at each size of map, inferred on the way down; eq. 3.1–3.2 in the book.

    A `TopDownModel` with two things more: a state may look at the coarser ones above (`attention`), and the levels of a
    size may be drawn together, from the state that comes into that size, instead of one after the other.

    Args:
        x_shape: event shape of x.
        side_path: as in `TopDownModel`, like prior, posterior, descent, p_x_given_state, path, residual and condition.
        prior: as there.
        posterior: as there.
        descent: as there.
        p_x_given_state: as there.
        path: as there.
        residual: as there.
        condition: as there.
        attention: by level, modules called with the state and the list of the last states of all coarser sizes.
        together: let the priors and posteriors of a size see only what came into it. The nets stay the same: what
            changes is the stochastic depth, by which z_l may depend on another level of its own size.

    Reference:
        Child (2021), Very Deep VAEs, https://arxiv.org/abs/2011.10650; Vahdat and Kautz (2020), NVAE,
        https://arxiv.org/abs/2007.03898

    >>> import torch
    >>> model = DeepTopDownVAE.convolutional((1, 28, 28), levels=((1, 1), (4, 1), (7, 2)), hidden=8)
    >>> model.elbo(torch.zeros(2, 1, 28, 28)).kl.keys()
    dict_keys(['z4', 'z3', 'z2', 'z1'])
    """

    def __init__(
        self,
        x_shape: Shape,
        side_path: Mapping[str, nn.Module],
        prior: Mapping[str, nn.Module],
        posterior: Mapping[str, nn.Module],
        descent: Mapping[str, nn.Module],
        p_x_given_state: nn.Module,
        path: Mapping[str, nn.Module] | None = None,
        residual: bool = True,
        condition: Condition | None = None,
        attention: Mapping[str, nn.Module] | None = None,
        together: bool = False,
    ) -> None:
        check_arrows(attention=attention or {})
        super().__init__(x_shape, side_path, prior, posterior, descent, p_x_given_state, path, residual, condition)
        if unknown := sorted(set(attention or {}) - set(self.levels[1:])):
            raise ValueError(f"attention: expected levels among {', '.join(self.levels[1:])}, got {', '.join(unknown)}")
        self.attention, self.together = nn.ModuleDict(attention or {}), together

    @classmethod
    def convolutional(
        cls,
        x_shape: Sequence[int],
        levels: Iterable[Sequence[int]] = ((1, 1), (4, 3), (7, 4)),
        latent_channels: int = 8,
        hidden: int = 32,
        inner: int | None = None,
        blocks: int = 1,
        posterior: str = "relative",
        residual: bool = True,
        depth_scale: bool = True,
        zero_priors: bool = True,
        norm: str | None = None,
        squeeze_excite: bool = False,
        attention: bool = False,
        together: bool = False,
        likelihood: Likelihood = Bernoulli(),  # noqa: B008  (a frozen value)
        condition: Condition | None = None,
    ) -> DeepTopDownVAE:
        """Bottleneck blocks on maps of one width; each level has `blocks` of them on the way up and on the way down.

        Args:
            x_shape: (channels, height, width).
            levels: pairs (height, how many levels) from the top down; a height is that of x halved, rounding up, any
                number of times.
            latent_channels: of each z.
            hidden: channels of all maps inside.
            inner: channels inside a block; half of `hidden` where none is given.
            blocks: of each level.
            posterior: "relative" (eq. 3.5–3.6), "direct", or "ladder" (eq. 3.3–3.4).
            residual: carry the state past each latent.
            depth_scale: start each block's last layer at 1/√N of its usual size, N the number of blocks down.
            zero_priors: start all priors below the top at N(0, 1).
            norm: "batch" or "group" in each block; None for none.
            squeeze_excite: weigh the channels of each block by what its whole map says.
            attention: let the states look at those of coarser sizes.
            together: draw the levels of a size together.
            likelihood: of each value of x.
            condition: what the side path, the priors below the top and p(x|·) see too; None for none.

        Raises:
            ValueError: for heights that halving does not lead to, an unknown name, or numbers below 1.
        """
        nets = deep_nets(
            x_shape, levels, latent_channels, hidden, inner, blocks, posterior, depth_scale, zero_priors, norm,
            squeeze_excite, attention, likelihood, condition,
        )  # fmt: skip
        return cls(x_shape, **nets, residual=residual, condition=condition, together=together)

    def ancestral_pass(self, source: LatentSource, n: int, c: tuple[Tensor, ...] = ()) -> Distribution:
        """The shared top-down path: prior, latent, state, level by level; then p(x|state)."""
        top, *below = self.levels
        state, seen = self.descent[top](source(top, self.prior[top](n, *c), None)), None
        coarser: list[Tensor] = []
        for level in below:
            above = self.path[level](state)
            if above.shape[2:] != state.shape[2:]:
                coarser.append(state)
            if level in self.attention:
                above = self.attention[level](above, coarser)
            if not self.together or seen is None or above.shape[2:] != seen.shape[2:]:
                seen = above
            state = self.descent[level](source(level, self.prior[level](seen, *c), seen))
            if self.residual:
                state = state + above
        return self.p_x_given_state(state, *c)
