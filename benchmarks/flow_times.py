"""What a flow costs: hyper-network, flow, log-determinant and the gradients of all of them.

D = 64, 128 rows, a context of 256 features, single precision, one thread. Our flows beside a plain matrix
implementation of the same Sylvester flows (`flow_plain`, written for this comparison in the way of public code) and
beside the nearest flows of other libraries (`flow_peers`). The ways take turns, ratios are taken within a turn, and
times are processor time, so that a busy machine slows all alike. Before anything is timed, the plain implementation is
given our parameters and has to answer our points and log-determinants.

    python -m pip install zuko normflows pyro-ppl      (optional)
    python benchmarks/flow_times.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import flow_peers
import torch
from flow_plain import COLUMNS, REFLECTIONS, PlainSylvester, householder_matrices, triangles
from torch import Tensor, nn

from hvae_ref.flows import HouseholderSylvesterFlow
from hvae_ref.flows.householder import OrthonormalColumns
from hvae_ref.flows.registry import FLOWS
from hvae_ref.flows.sylvester_step import bounded
from hvae_ref.results.record import FOLDER, Record, command_line

DIM, BATCH, CONTEXT, HIDDEN = 64, 128, 256, 320
STEPS = (4, 8, 16)
OWN = {"orthogonal": {"bottleneck": COLUMNS}, "householder": {"reflections": REFLECTIONS}, "iaf": {"hidden": (HIDDEN,)}}
PLAIN = {"plain matrix": False, "plain matrix, steps first": True}
"""Layouts of the plain implementation: that of public code, and one that spares it the gathering."""

CALLS = {"planar": 20, "iaf": 8}
"""Calls behind one measurement of a family; one where it is not listed."""

Run = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def difference_to_plain(steps: int) -> float:
    """Largest difference between our Householder flow and the plain one at the same parameters, in double precision."""
    ours = HouseholderSylvesterFlow(DIM, CONTEXT, steps=steps, reflections=REFLECTIONS).double()
    plain = PlainSylvester("householder", DIM, CONTEXT, steps, steps_first=True).double()
    with torch.no_grad():
        for parameter in ours.parameters():  # far from the identity
            parameter.mul_(5)
        z, context = torch.randn(BATCH, DIM).double(), torch.randn(BATCH, CONTEXT).double()
        prepared = ours._prepare(context)
        bases = [step.basis for step in prepared]
        assert all(isinstance(basis, OrthonormalColumns) for basis in bases)
        squares, diagonals, shifts = (torch.stack(part, 1) for part in zip(*(s.core() for s in prepared), strict=True))
        r, r_tilde = triangles(squares, bounded(squares.diagonal(dim1=-2, dim2=-1)), bounded(diagonals))
        q = torch.stack([householder_matrices(basis.vectors) for basis in bases], 1)
        expected = plain.run(z, q, r, r_tilde, shifts)
        out = ours(z, context)
    if (out.z - z).abs().max() < 0.1:
        raise RuntimeError("the flow that is compared hardly moves a point")
    return max(float((a - b).abs().max()) for a, b in zip(out, expected, strict=True))


def ways(family: str, steps: int) -> dict[str, tuple[nn.Module, Run]]:
    """Our flow of a family and what it is measured against."""
    ours = FLOWS[family](DIM, CONTEXT, steps=steps, **OWN.get(family, {}))
    found: dict[str, tuple[nn.Module, Run]] = {"ours": (ours, ours)}
    if family in ("householder", "orthogonal", "triangular"):
        for name, steps_first in PLAIN.items():
            plain = PlainSylvester(family, DIM, CONTEXT, steps, steps_first)
            found[name] = (plain, plain)
    return found | {name: make(DIM, CONTEXT, steps, HIDDEN) for name, make in flow_peers.installed(family).items()}


def milliseconds(module: nn.Module, run: Run, calls: int) -> float:
    """Processor time of one call with its gradients, after one that is not counted."""
    z, context = torch.randn(BATCH, DIM, requires_grad=True), torch.randn(BATCH, CONTEXT, requires_grad=True)
    weights = torch.randn(BATCH, DIM)
    for call in range(calls + 1):
        if call == 1:
            begun = time.process_time()
        for tensor in (z, context, *module.parameters()):
            tensor.grad = None
        moved, log_det = run(z, context)
        ((moved * weights).sum() - log_det.sum()).backward()
    return 1000 * (time.process_time() - begun) / calls


def main() -> None:
    """Measure every family and length in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="how often each way is measured")
    parser.add_argument("--families", nargs="+", choices=FLOWS, default=list(FLOWS))
    parser.add_argument("--out", type=Path, default=FOLDER / "flow_times.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    have = flow_peers.versions()
    if missing := [flow_peers.PACKAGES[name] for name, version in have.items() if version is None]:
        print(f"measuring without {', '.join(missing)} (python -m pip install {' '.join(missing)})", flush=True)
    difference = max(difference_to_plain(steps) for steps in STEPS)
    if difference > 1e-9:
        raise RuntimeError(f"the plain Householder flow is not ours: they differ by {difference:.1e}")
    print(f"plain and our Householder flow at the same parameters differ by {difference:.1e}", flush=True)
    settings = {
        "latent_dim": DIM,
        "batch": BATCH,
        "context_dim": CONTEXT,
        "reflections": REFLECTIONS,
        "bottleneck": COLUMNS,
        "hidden": HIDDEN,
        "dtype": "float32",
        "threads": 1,
        "timed": "hyper-network, flow, log-determinant and gradients in points, context and all parameters; ms a call",
        "peers": {name: version or "not installed" for name, version in have.items()},
    }
    command = command_line("benchmarks/flow_times.py")
    record = Record(options.out, ("family", "steps", "way", "repeat"), command, settings)
    for family in options.families:
        for steps in STEPS:
            measured = ways(family, steps)
            for peer in (way for name, way in measured.items() if name not in ("ours", *PLAIN)):
                if (error := flow_peers.check(peer, DIM, CONTEXT)) > 1e-2:
                    raise RuntimeError(f"{family}: a peer's log-determinant is off by {error:.1e}")
            for turn in range(options.turns):
                order = list(measured.items())[:: 1 if turn % 2 else -1]
                for name, (module, run) in order:
                    if not record.has(family=family, steps=steps, way=name, repeat=turn):
                        ms = milliseconds(module, run, CALLS.get(family, 1))
                        record.add(family=family, steps=steps, way=name, repeat=turn, ms=ms)
            print(f"{family}, {steps} steps: {summary(record, family, steps)}", flush=True)
    done = {(run["family"], run["steps"]) for run in record.runs}
    table = {
        family: {str(steps): summary(record, family, steps) for steps in STEPS if (family, steps) in done}
        for family in FLOWS
    }
    record.save(difference_to_plain=difference, median=table)


def summary(record: Record, family: str, steps: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of every way, and how many times ours that is within a turn."""
    runs = [run for run in record.runs if (run["family"], run["steps"]) == (family, steps)]
    ours = {run["repeat"]: run["ms"] for run in runs if run["way"] == "ours"}
    table = {}
    for name in dict.fromkeys(run["way"] for run in runs):
        mine = [run for run in runs if run["way"] == name]
        table[name] = {
            "ms": round(statistics.median(run["ms"] for run in mine), 2),
            "over ours": round(statistics.median(run["ms"] / ours[run["repeat"]] for run in mine), 2),
        }
    return table


if __name__ == "__main__":
    main()
