"""The negative ELBO, with a weight for each level's KL."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hvae_ref.elbo import Elbo
from hvae_ref.objectives.mmd import LatentSamples
from hvae_ref.objectives.rate import RateObjective
from hvae_ref.objectives.training_state import TrainingState


@dataclass
class NegativeElbo(RateObjective):
    """−ELBO with weighted KL terms, averaged over the batch.

    L(t) = E_b[−log p(x|z)] + Σ_l β_l(t) · KL_l    (+ free bits, + MMD)

    One class expresses the usual variants:

    * the bound itself: `NegativeElbo()`
    * β-VAE: `NegativeElbo(beta=4.0)`
    * KL annealing: `NegativeElbo(LinearWarmup(fraction=0.3))`, in cycles: `NegativeElbo(Cyclic())`
    * hierarchical β, a schedule for each level: `NegativeElbo({"z2": LinearWarmup(), "z1": LinearWarmup(delay=0.3)})`
    * free bits: `NegativeElbo(free_bits=FreeBits(0.5))`
    * InfoVAE: `NegativeElbo(beta=1 - alpha, mmd=MmdPenalty(alpha + lamda - 1))`

    Whatever the weights are, histories and evaluation report the unweighted bound.

    Args:
        beta: a number, a schedule, or a mapping from level to one of them.
        free_bits: floors under the levels' KL.
        mmd: penalty on the distance between aggregate posterior and prior.

    Reference:
        Higgins et al. (2017), beta-VAE, https://openreview.net/forum?id=Sy2fzU9gl

    >>> import torch
    >>> elbo = Elbo(torch.tensor([-3.0, -5.0]), {"z1": torch.tensor([1.0, 3.0])})
    >>> float(NegativeElbo()(elbo)), float(NegativeElbo(beta=0.5)(elbo))
    (6.0, 5.0)
    """

    def __call__(self, elbo: Elbo, state: TrainingState | None = None, latents: LatentSamples | None = None) -> Tensor:
        """The loss of a batch, a scalar in nats for an example."""
        return self.rate(elbo, state or TrainingState(), latents) - elbo.log_px.mean()
