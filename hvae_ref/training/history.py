"""What a run writes down after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

EXAMPLES_OF_NAMES = '"loss", "train.negative_elbo", "validation.kl.z1" or "train.terms.error"'


@dataclass(frozen=True)
class Terms:
    """Named terms of a step, each a mean over examples.

    Those of an ELBO are called "log_px", "kl.<level>" and "auxiliary.<name>", in nats and unweighted, and have
    properties of their own.

    Attributes:
        terms: by name, in the step's order.

    Raises:
        ValueError: by the properties of an ELBO, where the terms are not those of one.

    >>> terms = Terms.of_elbo(log_px=-9.0, kl={"z2": 0.5, "z1": 2.0})
    >>> terms.negative_elbo, terms.kl["z2"], terms.terms["kl.z2"]
    (11.5, 0.5, 0.5)
    """

    terms: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of_elbo(cls, log_px: float, kl: Mapping[str, float], auxiliary: Mapping[str, float] | None = None) -> Terms:
        """The terms of an ELBO, with what a model was trained with beside it."""
        named = {"log_px": log_px} | {f"kl.{level}": value for level, value in kl.items()}
        return cls(named | {f"auxiliary.{name}": value for name, value in (auxiliary or {}).items()})

    @property
    def log_px(self) -> float:
        """log p(x|z) at one posterior sample for each example."""
        if "log_px" not in self.terms:
            raise ValueError(f"log_px: expected the terms of an ELBO, got {', '.join(self.terms) or 'none'}")
        return self.terms["log_px"]

    @property
    def kl(self) -> dict[str, float]:
        """One entry for each level, top to bottom."""
        return self._group("kl.")

    @property
    def auxiliary(self) -> dict[str, float]:
        """What the model is trained with beside its bound, by name; empty for most models."""
        return self._group("auxiliary.")

    @property
    def negative_elbo(self) -> float:
        """−ELBO, whatever the objective's weights were."""
        return sum(self.kl.values()) - self.log_px

    def value(self, name: str) -> float:
        """A term by its name, or a property such as "negative_elbo".

        Raises:
            ValueError: for a name that is neither.
        """
        if name in self.terms:
            return self.terms[name]
        if name == "negative_elbo" and "log_px" in self.terms:
            return self.negative_elbo
        raise ValueError(f"name: expected one of {', '.join(self.terms) or 'none'}, got {name!r}")

    def _group(self, prefix: str) -> dict[str, float]:
        return {name.removeprefix(prefix): value for name, value in self.terms.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of a run.

    Attributes:
        epoch: 1 for the first.
        loss: mean over the epoch's examples; of several phases, the sum of their losses.
        train: terms of the step, averaged over the epoch while the weights moved.
        validation: terms of the validation set at the end of the epoch, as `Step.evaluate` gives them; or None.
        weights: the weights in force at the end of the epoch, such as "beta/z2".
        learning_rate: of the first optimiser, at the epoch's last batch.
        seconds: wall time of the epoch, validation included.
        steps: batches of the epoch.
    """

    epoch: int
    loss: float
    train: Terms
    validation: Terms | None
    weights: dict[str, float]
    learning_rate: float
    seconds: float
    steps: int = 0


@dataclass
class History:
    """All epochs of a run, oldest first.

    Attributes:
        epochs: one record each.
        best_epoch: number of the epoch whose weights were the best on the validation set; None without validation.
        stopped_early: whether patience ran out before the last epoch.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int | None = None
    stopped_early: bool = False

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def last(self) -> EpochRecord:
        """The newest record.

        Raises:
            ValueError: where there is none yet.
        """
        if not self.epochs:
            raise ValueError("history: expected at least one epoch, got none")
        return self.epochs[-1]

    def curve(self, name: str) -> list[float]:
        """One number an epoch, by a dotted name, ready to be drawn.

        Args:
            name: such as "loss", "train.negative_elbo", "validation.kl.z2", "train.auxiliary.peak", "train.terms.error"
                for a term of any step, or "weights.beta/z2".

        Raises:
            ValueError: for a name that the records don't hold.

        >>> record = EpochRecord(1, 11.0, Terms.of_elbo(-9.0, {"z1": 2.0}), None, {"beta/z1": 1.0}, 1e-3, 0.1)
        >>> History([record]).curve("train.kl.z1")
        [2.0]
        """
        return [_follow(record, name) for record in self.epochs]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> History:
        """The inverse of `to_dict`."""
        epochs = [
            EpochRecord(
                **record
                | {
                    "train": Terms(**record["train"]),
                    "validation": Terms(**record["validation"]) if record["validation"] else None,
                }
            )
            for record in content["epochs"]
        ]
        return cls(epochs, content["best_epoch"], content["stopped_early"])


def _follow(record: EpochRecord, name: str) -> float:
    first, _, rest = name.partition(".")
    part: Any = getattr(record, first, None)
    try:
        if isinstance(part, Terms):
            return part.value(rest.removeprefix("terms."))
        if isinstance(part, Mapping):
            return part[rest]
    except (KeyError, ValueError) as error:
        raise _unknown(record, name) from error
    if rest or not isinstance(part, int | float):
        raise _unknown(record, name)
    return part


def _unknown(record: EpochRecord, name: str) -> ValueError:
    return ValueError(f"name: expected one such as {EXAMPLES_OF_NAMES}, got {name!r} (epoch {record.epoch} has none)")
