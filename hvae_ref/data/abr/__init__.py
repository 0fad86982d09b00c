"""Auditory brainstem responses: a generator that stands on published norms, and a reader for one's own recordings."""

from hvae_ref.data.abr.dataset import AbrDataset, AbrTruth
from hvae_ref.data.abr.generator import (
    FACTOR_NAMES,
    FACTORS,
    Factor,
    generate,
    normal_response,
    sample_conditions,
)
from hvae_ref.data.abr.norms import Norm, all_norms
from hvae_ref.data.abr.parameters import (
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
from hvae_ref.data.abr.recordings import read_recordings, write_recordings
from hvae_ref.data.abr.waveform import marks

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
    "marks",
    "all_norms",
    "normal_response",
    "read_recordings",
    "sample_conditions",
    "static_parameters",
    "time_axis",
    "write_recordings",
]
