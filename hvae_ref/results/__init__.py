"""Measured tables that ship with the package, each with the command, versions and machine that made it."""

from hvae_ref.results.paired import PairedDifference, paired_difference
from hvae_ref.results.record import Record, atomic_write_text, load, mean_and_sd, names, provenance

__all__ = [
    "PairedDifference",
    "Record",
    "atomic_write_text",
    "load",
    "mean_and_sd",
    "names",
    "paired_difference",
    "provenance",
]
