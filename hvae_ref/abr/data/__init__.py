"""Auditory brainstem responses: a generator that stands on published norms, and a reader for one's own recordings."""

from hvae_ref.abr.data.dataset import AbrDataset, AbrTruth
from hvae_ref.abr.data.generator import FACTOR_NAMES, FACTORS, Factor, generate, normal_response, sample_conditions
from hvae_ref.abr.data.norms import Norm, all_norms
from hvae_ref.abr.data.parameters import (
    SAMPLE_INTERVAL_MS,
    SIGNAL_LENGTH,
    STATIC_NAMES,
    STATICS,
    WAVES,
    StaticParameter,
    check_condition,
    static_parameters,
    time_axis,
)
from hvae_ref.abr.data.recordings import read_recordings, write_recordings
from hvae_ref.abr.data.splits import load_split
from hvae_ref.abr.data.waveform import marks

__all__ = [
    "FACTORS",
    "FACTOR_NAMES",
    "SAMPLE_INTERVAL_MS",
    "SIGNAL_LENGTH",
    "STATICS",
    "STATIC_NAMES",
    "WAVES",
    "AbrDataset",
    "AbrTruth",
    "Factor",
    "Norm",
    "StaticParameter",
    "check_condition",
    "generate",
    "load_split",
    "marks",
    "all_norms",
    "normal_response",
    "read_recordings",
    "sample_conditions",
    "static_parameters",
    "time_axis",
    "write_recordings",
]
