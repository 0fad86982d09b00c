"""What training minimises: β for each level and its schedules, free bits, GECO and MMD, on top of an `Elbo`.

An objective is called with an `Elbo` and returns a scalar. The pieces combine by keyword, in one way:

    NegativeElbo(beta=LinearWarmup(fraction=0.3), free_bits=FreeBits(0.5), mmd=MmdPenalty(10.0))
    Geco(constraint=20.0, free_bits=FreeBits(0.5))
    WeightedLoss({"reconstruction": 1.0, "global_kl": ThreePhases(0.05, 1.0), "local_kl": 1.0, "peak": 1.0})
"""

from hvae_ref.objectives.free_bits import FreeBits
from hvae_ref.objectives.geco import Geco
from hvae_ref.objectives.mmd import LatentSamples, MmdPenalty, mmd
from hvae_ref.objectives.negative_elbo import NegativeElbo
from hvae_ref.objectives.objective import Objective
from hvae_ref.objectives.rate import Beta, RateObjective
from hvae_ref.objectives.schedules import Constant, Cyclic, LinearWarmup, Schedule, ThreePhases
from hvae_ref.objectives.training_state import TrainingState
from hvae_ref.objectives.weighted_parts import WeightedLoss, kl_part, part_names

__all__ = [
    "Beta",
    "Constant",
    "Cyclic",
    "FreeBits",
    "Geco",
    "LatentSamples",
    "LinearWarmup",
    "MmdPenalty",
    "NegativeElbo",
    "Objective",
    "RateObjective",
    "Schedule",
    "ThreePhases",
    "TrainingState",
    "WeightedLoss",
    "kl_part",
    "mmd",
    "part_names",
]
