"""What every test runs under: one thread, no windows, no network libraries reaching out, and shapes checked.

The import hook turns the shape annotations of hvae_ref into checks. It stands here, before anything imports the
package, because readers should not pay for the checks on every call. They cost a fifth of the suite's time, so of a
parametrised test the first value alone runs under them, and every value where the test's name speaks of shapes.
"""

import os
import random
import sys
import tempfile
from pathlib import Path

# Two pytest workers on two cores: a thread each, also in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PIP_NO_INPUT"] = "1"
os.environ["HVAE_REF_PROGRESS"] = str(Path(tempfile.mkdtemp(prefix="hvae_ref-tests-")) / "progress.json")

import jaxtyping

import tools.typechecking  # noqa: F401  the hook looks it up by name and imports only `tools`

jaxtyping.install_import_hook("hvae_ref", "tools.typechecking.outermost")

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
if not torch.cuda.is_available():
    # A seed for devices that are not there is put into a queue, with the stack of the caller as text: a millisecond.
    torch.cuda.manual_seed_all = lambda seed: None

# The same examples in every run: a test that fails now and then tells nobody what to mend.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

_already_checked: set[str] = set()


@pytest.fixture(autouse=True)
def _fresh_figures_and_seed():
    """No test sees another's figures or random numbers."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def _shapes_checked(request):
    """Check annotated shapes in the first of each test's parameter sets."""
    name = request.node.nodeid.split("[")[0]
    jaxtyping.config.update("jaxtyping_disable", name in _already_checked and "shape" not in name)
    _already_checked.add(name)


@pytest.fixture
def unchecked(_shapes_checked):
    """Without the shape checks, as users run the package: for tests of the errors that they see."""
    jaxtyping.config.update("jaxtyping_disable", True)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """Each device that there is."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)
