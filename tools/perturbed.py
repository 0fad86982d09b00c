"""A pytest plugin that plays other processors: results may differ in the last digit.

    python -m pytest -p tools.perturbed tests/features                       by shape, place and alignment
    HVAE_REF_PERTURBED=always python -m pytest -p tools.perturbed tests/viz  from one call to the next, too
    python -m tools.perturbed chapters/01*.ipynb                             the outputs that CI compares

Another processor, another number of threads, or another lane of a vector unit computes sums, products of matrices,
convolutions and elementary functions in another order. A test that passes here and fails there asks for the last digit.
The first form must pass: equal calls stay equal. The second shows who compares two computations bit by bit at all, as a
test of seeds may and few others should.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tools import chapters

INEXACT = {
    "mm", "addmm", "bmm", "baddbmm", "convolution", "native_layer_norm", "native_batch_norm",
    "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "lgamma", "digamma", "erf", "erfc", "sin", "cos",
    "_softmax", "_log_softmax", "logsumexp", "sum", "mean", "var", "std", "cumsum", "prod", "linalg_vector_norm",
    "atan2", "linalg_cholesky_ex", "linalg_solve_triangular", "gelu", "silu",
}  # fmt: skip
"""Names of the operators whose last digit is the processor's own."""
ALIGNMENT = 64
"""Bytes: a memory address that is no multiple of it makes some kernels take another path."""


ROWS = {"_softmax", "_log_softmax"}
"""Operators that treat a row as one: what is equal within it stays equal."""
EXACT = 256.0
"""Multiples of 1 / EXACT stay: sums of whole numbers, halves and quarters are exact on every processor."""


def nudge(value: Tensor, seed: int, rows: bool = False) -> None:
    """Move each number by at most one unit of its precision, which way being a function of its place and the seed.

    Args:
        value: is changed.
        seed: another seed, other directions.
        rows: one direction for all numbers of a row.
    """
    shape = (*value.shape[:-1], 1) if rows and value.ndim else value.shape
    places = torch.arange(math.prod(shape)).reshape(shape)
    direction = ((places * 2654435761 + seed) // 1021 % 3 - 1).to(value.dtype)
    scaled = value * EXACT
    step = torch.where(scaled == scaled.round(), 0.0, direction * torch.finfo(value.dtype).eps)
    value.mul_(1 + step.to(value.dtype))


class Perturbed(TorchDispatchMode):
    """Inside, the operators of `INEXACT` answer results that another processor could have given.

    Args:
        always: a new digit at each call, instead of one that follows from the shape and the alignment of what goes in.
    """

    def __init__(self, always: bool = False) -> None:
        super().__init__()
        self.always = always
        self.calls = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        out = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ in INEXACT and not function.is_view:
            self.calls += 1
            first = out if isinstance(out, Tensor) else out[0]
            if first.dtype.is_floating_point and first.numel() and first.device.type == "cpu":
                inputs = [a for a in args if isinstance(a, Tensor) and a.device.type == "cpu"]
                layout = (tuple(first.shape), *((tuple(a.shape), a.data_ptr() % ALIGNMENT) for a in inputs))
                seed = self.calls * 7919 if self.always else hash((function.__name__, layout)) % 2**31
                nudge(first, seed, function.overloadpacket.__name__ in ROWS)
        return out


@pytest.fixture(autouse=True)
def _perturbed() -> Iterator[None]:
    with Perturbed(os.environ.get("HVAE_REF_PERTURBED") == "always"):
        yield


COMPARED = "NBVAL_CHECK_OUTPUT"
"""In the cells whose text CI compares."""


def text_of(outputs: list[dict[str, Any]]) -> str:
    """The text that nbval compares: what was printed, then the plain text of results."""
    printed = ["".join(out["text"]) for out in outputs if out["output_type"] == "stream" and out["name"] == "stdout"]
    results = [out["data"] for out in outputs if out["output_type"] in ("execute_result", "display_data")]
    return "".join([*printed, *("".join(data.get("text/plain", "")) for data in results)]).strip()


def differences(path: Path) -> Iterator[tuple[str, str]]:
    """Run a chapter's cells under `Perturbed`; of those that CI compares, the stored text and another one it printed.

    Raises:
        RuntimeError: where a cell stops.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell()
    for cell in chapters.code_cells(chapters.read(path)):
        source = "".join(cell["source"])
        with capture_output() as caught, Perturbed():
            result = shell.run_cell(source)
        if not result.success:
            raise RuntimeError(f"{path.name}: {source.splitlines()[0]!r} stopped: {result.error_in_exec!r}")
        if COMPARED in source:
            printed = re.sub(r"Out\[\d+\]: \n?", "", caught.stdout)
            shown = [{"output_type": "display_data", "data": out.data} for out in caught.outputs]
            found = text_of([{"output_type": "stream", "name": "stdout", "text": printed}, *shown])
            stored = text_of(cell["outputs"])
            if found != stored:
                yield stored, found


def main(paths: list[str]) -> int:
    """Print what differs in each chapter; return 0 only if nothing does."""
    os.environ["MPLBACKEND"] = "Agg"
    torch.set_num_threads(1)
    wrong = 0
    for path in [Path(name).resolve() for name in paths]:
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            for stored, found in differences(path):
                wrong += 1
                print(f"== {path.name}\nstored:\n{stored}\nperturbed:\n{found}\n", flush=True)
        print(f"{path.name}: done", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
