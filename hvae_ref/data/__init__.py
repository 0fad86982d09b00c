"""Data sets of the book, raw grey levels or µV in, binarisation only where it is asked for; and batches of any data."""

from hvae_ref.data.batch import Batch
from hvae_ref.data.dataset import BINARIZATIONS, SPLITS, Dataset
from hvae_ref.data.examples import Examples
from hvae_ref.data.loading import load, names
from hvae_ref.data.local_files import DataUnavailable
from hvae_ref.data.source import Share, Source
from hvae_ref.data.sources import source_of
from hvae_ref.data.splits import stratified_split

__all__ = [
    "BINARIZATIONS",
    "SPLITS",
    "Batch",
    "DataUnavailable",
    "Dataset",
    "Examples",
    "Share",
    "Source",
    "load",
    "names",
    "source_of",
    "stratified_split",
]
