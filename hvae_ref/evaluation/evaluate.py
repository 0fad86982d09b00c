"""All numbers of one model on one data set, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hvae_ref.data.examples import as_tensor
from hvae_ref.elbo import bits_per_dim
from hvae_ref.errors import whole_number
from hvae_ref.evaluation.bound import importance_bound
from hvae_ref.evaluation.conditions import batches, given
from hvae_ref.evaluation.information import active_units, mutual_information
from hvae_ref.evaluation.rows import rows_of
from hvae_ref.nn.eval_mode import device_of, eval_mode


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured. Nats an example unless it says otherwise; every bound names its estimator.

    Attributes:
        negative_elbo: mean of −ELBO, an upper bound on −log p(x).
        negative_elbo_se: standard error of that mean over examples.
        iwae_nll: mean of −L_K, the importance-weighted upper bound on −log p(x) with K = `iwae_samples`.
        iwae_nll_se: standard error of that mean over examples.
        bits_per_dim: `iwae_nll` / (D log 2); None where the data have no discrete values.
        distortion: mean of −log p(x|z), z from the posterior.
        kl: mean KL of each level, top to bottom; with `distortion` it adds up to `negative_elbo`.
        active_units: units of each level whose posterior mean moves with x.
        mutual_information: I_q(x; z_l) of each level, which cannot exceed log(`information_examples`).
        n_examples: rows of x.
        iwae_samples: K.
        information_examples: rows used for the mutual information.
        seed: of all draws.
    """

    negative_elbo: float
    negative_elbo_se: float
    iwae_nll: float
    iwae_nll_se: float
    bits_per_dim: float | None
    distortion: float
    kl: dict[str, float]
    active_units: dict[str, int]
    mutual_information: dict[str, float]
    n_examples: int
    iwae_samples: int
    information_examples: int
    seed: int

    def to_dict(self) -> dict[str, object]:
        """Plain numbers and dictionaries, ready for JSON."""
        return asdict(self)


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    values = values.double()
    return values.mean().item(), (values.std() / len(values) ** 0.5).item()


def evaluate(
    model: nn.Module,
    x: Any,  # noqa: ANN401
    iwae_samples: int = 512,
    chunk: int = 32,
    seed: int = 0,
    batch_size: int = 250,
    information_examples: int = 1000,
    progress: Callable[[int, int], None] | None = None,
    condition: Tensor | None = None,
) -> Evaluation:
    """Measure a model on x: bounds, KL, active units and mutual information of each level.

    It changes nothing: the modes of all modules and torch's random state are as before.

    Args:
        model: with `elbo`, `log_weight` and `encode`.
        x: (N, *shape), at least two rows, values as the model takes them; moved to the model's device. Or what else
            `fit` takes: an array, a record with `x` (and `condition`), a `Dataset` or a loader.
        iwae_samples: K of the importance-weighted bound.
        chunk: importance samples taken at once; memory grows with `chunk` · `batch_size`.
        seed: of all draws.
        batch_size: rows of x at once.
        information_examples: the mutual information uses that many rows, the first ones.
        progress: called as progress(rows done, N) after each batch.
        condition: (N, …) or (1, …), for a model of p(x|c).

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: with fewer than two rows, for x outside the model's support, or a condition of another length.

    Example:
        >>> import torch
        >>> from hvae_ref.models.vae import VAE
        >>> x = torch.ones(4, 6)
        >>> result = evaluate(VAE.dense(6, (2,), hidden=(8,)), x, iwae_samples=16)
        >>> result.iwae_nll < result.negative_elbo + 1.0, list(result.kl)
        (True, ['z1'])
    """
    iwae_samples, chunk = whole_number("iwae_samples", iwae_samples), whole_number("chunk", chunk)
    batch_size, seed = whole_number("batch_size", batch_size), whole_number("seed", seed, least=0)
    information_examples = whole_number("information_examples", information_examples, least=2)
    if not isinstance(x, Tensor):
        rows = rows_of("x", x, model, seed)
        x, condition = rows.x, rows.condition if condition is None else condition
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"x: expected a tensor (N, *shape) with N at least 2, got {tuple(x.shape)}")
    device = device_of(model)
    x = x.to(device)
    condition = None if condition is None else as_tensor("condition", condition).to(device)
    given(condition, len(x))
    values: list[Tensor] = []
    bounds: list[Tensor] = []
    log_px: list[Tensor] = []
    kl: dict[str, list[Tensor]] = {}
    done = 0
    with eval_mode(model, seed):
        for rows, beside in batches(x, condition, batch_size):
            elbo = model.elbo(rows, **beside)
            values.append(elbo.value.cpu())
            log_px.append(elbo.log_px.cpu())
            for level, value in elbo.kl.items():
                kl.setdefault(level, []).append(value.cpu())
            bounds.append(importance_bound(model, rows, iwae_samples, chunk, **beside).cpu())
            done += len(rows)
            if progress is not None:
                progress(done, len(x))
    negative_elbo, negative_elbo_se = _mean_and_error(-torch.cat(values))
    iwae_nll, iwae_nll_se = _mean_and_error(-torch.cat(bounds))
    some = x[:information_examples]
    some_condition = condition if condition is None or len(condition) == 1 else condition[:information_examples]
    likelihood = getattr(model, "likelihood", None)
    discrete = likelihood is not None and likelihood.num_values is not None
    return Evaluation(
        negative_elbo=negative_elbo,
        negative_elbo_se=negative_elbo_se,
        iwae_nll=iwae_nll,
        iwae_nll_se=iwae_nll_se,
        bits_per_dim=float(bits_per_dim(iwae_nll, x[0].numel())) if discrete else None,
        distortion=_mean_and_error(-torch.cat(log_px))[0],
        kl={level: _mean_and_error(torch.cat(parts))[0] for level, parts in kl.items()},
        active_units=active_units(model, x, seed=seed, condition=condition),
        mutual_information=mutual_information(model, some, seed=seed, condition=some_condition),
        n_examples=len(x),
        iwae_samples=iwae_samples,
        information_examples=len(some),
        seed=seed,
    )
