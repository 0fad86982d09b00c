"""What a run writes down after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Terms:
    """The ELBO's terms, unweighted and averaged over examples, in nats.

    Attributes:
        log_px: log p(x|z) of one posterior sample an example.
        kl: one entry a level, top to bottom.
        auxiliary: what the model is trained with beside its bound, by name; empty for most models.
    """

    log_px: float
    kl: dict[str, float]
    auxiliary: dict[str, float] = field(default_factory=dict)

    @property
    def negative_elbo(self) -> float:
        """−ELBO, whatever the objective's weights were."""
        return sum(self.kl.values()) - self.log_px


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of a run.

    Attributes:
        epoch: 1 for the first.
        loss: the objective's mean over the epoch's steps.
        train: terms of the bound that is trained, averaged over the epoch while the weights moved.
        validation: terms of `model.elbo` on the validation set at the end of the epoch, with the auxiliary terms of
            the bound where the set has its targets; or None.
        weights: the objective's weights at the end of the epoch, such as "beta/z2".
        learning_rate: at the epoch's last step.
        seconds: wall time of the epoch, validation included.
    """

    epoch: int
    loss: float
    train: Terms
    validation: Terms | None
    weights: dict[str, float]
    learning_rate: float
    seconds: float


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
            name: such as "loss", "train.negative_elbo", "validation.kl.z2", "train.auxiliary.peak" or
                "weights.beta/z2".

        Raises:
            ValueError: for a name that the records don't hold.

        >>> terms = Terms(log_px=-9.0, kl={"z1": 2.0})
        >>> record = EpochRecord(1, 11.0, terms, None, {"beta/z1": 1.0}, 1e-3, 0.1)
        >>> History([record]).curve("train.kl.z1")
        [2.0]
        """
        return [_follow(record, name) for record in self.epochs]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> History:
        """The inverse of `to_dict`; a history from before there were auxiliary terms has none."""
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
    value: Any = record
    for part in name.split("."):
        known = isinstance(value, Mapping) and part in value
        if not known and not hasattr(value, part):
            raise ValueError(
                'name: expected one such as "loss", "train.negative_elbo" or "validation.kl.z1", '
                f"got {name!r} (epoch {record.epoch} has no {part!r})"
            )
        value = value[part] if known else getattr(value, part)
    if not isinstance(value, int | float):
        raise ValueError(f"name: expected the name of one number an epoch, got {name!r}")
    return value
