"""Data sets of the book: raw grey levels or µV in, binarisation only where it is asked for."""

from hvae_ref.data.dataset import BINARIZATIONS, SPLITS, Dataset
from hvae_ref.data.loading import load, names
from hvae_ref.data.local_files import DataUnavailable
from hvae_ref.data.splits import stratified_split

__all__ = ["BINARIZATIONS", "SPLITS", "DataUnavailable", "Dataset", "load", "names", "stratified_split"]
