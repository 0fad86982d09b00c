"""Models under torch's own tools: vmap and grad example by example, compiled in one graph, exported."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from tests.models.conftest import CATEGORICAL, KINDS, LOGISTIC, NORMAL, Case

ROOT = Path(__file__).parents[2]
SPHERES = {kind for kind in KINDS if "sphere" in kind}
CASES = [Case(kind).on((1, 8, 8)) if "conv" in kind else Case(kind) for kind in KINDS if kind not in SPHERES]
CASES = [Case("linear-gaussian", None) if case.kind == "linear-gaussian" else case for case in CASES]
CASES += [Case("vae", likelihood) for likelihood in (LOGISTIC, CATEGORICAL, NORMAL)]
CASES += [Case("vae", condition=condition) for condition in ("labels", "covariates")]


class Bound(nn.Module):
    """ELBO of one example, from the model's parameters."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, *condition):
        beside = {"condition": condition[0][None]} if condition else {}
        return self.model.elbo(x[None], **beside).value[0]


class Encoded(nn.Module):
    """Posterior means."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, condition=None):
        return tuple(q.mean for q in self.model.encode(x, condition=condition).values())


class Decoded(nn.Module):
    """Mean of p(x|z)."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z, condition=None):
        return self.model.decode(z, condition=condition).mean


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_of_each_example(case):
    """With one noise for all, per-example gradients are those of one example at a time."""
    bound = Bound(case.build().eval())
    given = (case.data(3), *case.beside(3).values())
    parameters = dict(bound.named_parameters())

    def gradient(parameters, *given):
        return grad(lambda p: functional_call(bound, p, given))(parameters)

    torch.manual_seed(4)
    found = vmap(gradient, (None, *[0] * len(given)), randomness="same")(parameters, *given)
    for row in range(3):
        torch.manual_seed(4)
        expected = torch.autograd.grad(bound(*(part[row] for part in given)), list(parameters.values()))
        for name, value in zip(parameters, expected, strict=True):
            torch.testing.assert_close(found[name][row], value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "linear-gaussian"], ids=str)
def test_noise_can_differ_between_examples(case):
    bound = Bound(case.build().eval())
    x, *condition = (part.expand(4, *part.shape[1:]) for part in (case.data(1), *case.beside(1).values()))
    values = vmap(bound, randomness="different")(x, *condition)
    assert len(values.unique()) == 4


def test_values_are_checked_again_afterwards():
    model = Case("vae").build()
    vmap(Bound(model), randomness="same")(torch.full((2, 5), 0.5, dtype=torch.float64))
    with pytest.raises(ValueError, match="^x: expected 0 and 1"):
        model.elbo(torch.full((2, 5), 0.5, dtype=torch.float64))
    with pytest.raises(ValueError, match="^z1: expected finite values"):
        model.decode({"z1": torch.full((2, 3), torch.nan, dtype=torch.float64)})
    with pytest.raises(ValueError, match="expected|Expected"):
        model.encode(torch.zeros(2, 5, dtype=torch.float64))["z1"].log_prob(torch.full((2, 3), torch.nan))


WHOLE = """
import sys
import torch
from tests.models.test_transforms import CASES, Decoded, Encoded

def same(function, other, *given):
    torch.manual_seed(5)
    found = function(*given)
    torch.manual_seed(5)
    torch.testing.assert_close(found, other(*given), rtol=1e-6, atol=1e-8)

torch.set_num_threads(1)
# torch 2.11 cannot compile its own divergence of two Gaussians with full covariances.
old = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13)
for case in [case for case in CASES if not (old and case.kind == "linear-gaussian")][int(sys.argv[1])::2]:
    model, x, beside = case.build().eval(), case.data(3), case.beside(3)
    torch._dynamo.reset()
    compiled = torch.compile(model.elbo, backend="eager", fullgraph=True)
    same(lambda x: compiled(x, **beside).value, lambda x: model.elbo(x, **beside).value, x)
    encoded, decoded = Encoded(model), Decoded(case.build().eval())
    same(torch.export.export(encoded, (x, *beside.values())).module(), encoded, x, *beside.values())
    z = model.sample_latents(3, **beside)
    same(torch.export.export(decoded, (z, *beside.values())).module(), decoded, z, *beside.values())
    print(case, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_a_bound_compiles_in_one_graph_and_means_are_exported(half):
    """In a process of its own, because the tests' checks of shapes cannot be compiled."""
    command = [sys.executable, "-c", WHOLE, str(half)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert process.returncode == 0, process.stdout + process.stderr


ONNX = """
import sys
import torch
from tests.models.test_transforms import CASES, Decoded, Encoded

for case in [CASES[0], next(case for case in CASES if case.kind == "top-down-residual")]:
    model, x = case.build(dtype=torch.float32).eval(), case.data(3, dtype=torch.float32)
    for name, module, given in (("encode", Encoded(model), x), ("decode", Decoded(model), model.sample_latents(3))):
        program = torch.onnx.export(module, (given,), dynamo=True)
        assert program.model_proto.graph.node, name
"""


@pytest.mark.slow
def test_means_become_onnx():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    process = subprocess.run([sys.executable, "-c", ONNX], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr
