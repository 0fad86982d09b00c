"""Nets of one's own: plain modules enter a model without a subclass, checkpoints included; misfits are told."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import hvae_ref
from hvae_ref.elbo import analytic_kl_or_sample, sampled_kl
from hvae_ref.models import VAE, BottomUpVAE, TopDownModel, TopDownVAE, TwoLevelVAE
from hvae_ref.nn import (
    Bernoulli,
    ConditionalLikelihood,
    ConditionalNormal,
    DirectPosterior,
    GivenCondition,
    Joined,
    Labels,
    LadderPosterior,
    Normal,
    RelativePosterior,
    StandardNormal,
)
from hvae_ref.training import load_checkpoint, save_checkpoint

SHAPE = (1, 4, 6)


class Encoder(nn.Module):
    """A net of somebody who has never heard of this package: an image to numbers."""

    def __init__(self, outputs: int, more: int = 0) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(72 + more, outputs)

    def forward(self, image: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([torch.relu(self.conv(image)).flatten(1), *more], 1))


class Decoder(nn.Module):
    """A vector (and what is put beside it) to an image."""

    def __init__(self, inputs: int, outputs: int = 1) -> None:
        super().__init__()
        self.linear, self.conv = nn.Linear(inputs, 72), nn.Conv2d(3, outputs, 3, padding=1)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.linear(torch.cat(given, 1))).view(-1, 3, 4, 6))


class Broadcasting(nn.Module):
    """Takes a vector of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.zeros(SHAPE))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.sum(-1)[:, None, None, None] + self.pixels


def vae() -> VAE:
    return VAE(SHAPE, StandardNormal((2,)), ConditionalNormal(Encoder(4)), pixels(2))


def pixels(inputs: int) -> ConditionalLikelihood:
    return ConditionalLikelihood(Decoder(inputs), Bernoulli())


def conditional_vae() -> VAE:
    prior = GivenCondition(ConditionalNormal(nn.Linear(3, 4)))
    return VAE(SHAPE, prior, ConditionalNormal(Encoder(4, more=3)), pixels(5), condition=Labels(3))


def two_level() -> TwoLevelVAE:
    """z1 is a map, z2 a vector."""
    return TwoLevelVAE(
        SHAPE,
        p_z2=StandardNormal((2,)),
        p_z1_given_z2=ConditionalNormal(Decoder(2, outputs=2)),
        p_x_given_z1=ConditionalLikelihood(nn.Conv2d(1, 1, 3, padding=1), Bernoulli()),
        q_z1_given_x=ConditionalNormal(nn.Conv2d(1, 2, 3, padding=1)),
        q_z2_given_below=ConditionalNormal(Joined(nn.Sequential(nn.Flatten(), nn.Linear(48, 4)))),
        z2_sees_x=True,
    )


def bottom_up() -> BottomUpVAE:
    prior = {"z1": ConditionalNormal(nn.Linear(2, 6)), "z2": StandardNormal((2,))}
    posterior = {"z2": ConditionalNormal(nn.Linear(3, 4)), "z1": ConditionalNormal(Encoder(6))}
    return BottomUpVAE(SHAPE, prior, posterior, ConditionalLikelihood(Decoder(3, 2), Normal()))


def top_down() -> TopDownModel:
    """Three levels with three kinds of posterior: maps below and a vector on top."""
    return TopDownModel(
        SHAPE,
        side_path={
            "z1": nn.Conv2d(1, 3, 3, padding=1),
            "z2": nn.Conv2d(3, 3, 3, stride=2, padding=1),
            "z3": nn.Sequential(nn.Flatten(), nn.Linear(18, 5)),
        },
        prior={
            "z3": StandardNormal((2,)),
            "z2": ConditionalNormal(nn.Conv2d(3, 2, 1)),
            "z1": ConditionalNormal(nn.Conv2d(3, 4, 1)),
        },
        posterior={
            "z3": DirectPosterior(ConditionalNormal(nn.Linear(5, 4))),
            "z2": LadderPosterior(ConditionalNormal(nn.Conv2d(3, 2, 1))),
            "z1": RelativePosterior(Joined(nn.Conv2d(6, 4, 1)), sees_state=True),
        },
        descent={"z3": nn.Linear(2, 5), "z2": nn.Conv2d(1, 3, 1), "z1": nn.Conv2d(2, 3, 1)},
        path={
            "z2": nn.Sequential(nn.Linear(5, 18), nn.Unflatten(1, (3, 2, 3))),
            "z1": nn.Upsample(scale_factor=2),
        },
        p_x_given_state=ConditionalLikelihood(nn.Conv2d(3, 1, 3, padding=1), Bernoulli()),
    )


MODELS = [vae, conditional_vae, two_level, bottom_up, top_down]


def beside(model) -> dict[str, torch.Tensor]:
    return {} if model.observe.condition is None else {"condition": torch.tensor([0, 1, 2, 0])}


def images(n: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((n, *SHAPE), 0.5), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("build", MODELS)
def test_plain_modules_make_a_model(build) -> None:
    model, x = build(), images(4)
    (-model.elbo(x, **beside(model)).value.mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert model.log_weight(x, 3, **beside(model)).shape == (3, 4)
    assert model.sample(4, **beside(model)).shape == model.reconstruct(x, **beside(model)).shape == (4, *SHAPE)
    z = model.sample_latents(4, **beside(model))
    assert {level: value.shape[1:] for level, value in z.items()} == model.shapes


def test_shapes_are_those_of_the_priors() -> None:
    assert top_down().shapes == {"z3": (2,), "z2": (1, 2, 3), "z1": (2, 4, 6)}
    assert two_level().dims == {"z2": 2, "z1": 24}


@pytest.mark.parametrize("build", MODELS)
def test_a_checkpoint_loads_into_a_model_built_the_same_way(build, tmp_path) -> None:
    torch.manual_seed(1)
    model, other, x = build(), build(), images(4)
    save_checkpoint(tmp_path / "own.safetensors", model)
    load_checkpoint(tmp_path / "own.safetensors", other)
    values = []
    for one in (model, other):
        torch.manual_seed(5)
        values.append(one.elbo(x, **beside(one)).value)
    torch.testing.assert_close(*values)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"p_x_given_z1": ConditionalLikelihood(nn.Linear(2, 24), Bernoulli())},
            r"p\(x\|·\): expected events of shape .*1, 4, 6.*, x's, got torch.Size\(\[24\]\)",
        ),
        (
            {"q_z1_given_x": ConditionalNormal(Encoder(6))},
            "nets: one does not fit what it is given, after z1: .*mat1",
        ),
        ({"p_x_given_z1": pixels(3)}, "nets: one does not fit what it is given, after z1: .*mat1 and mat2"),
        (
            {"p_z1": StandardNormal((1,)), "p_x_given_z1": ConditionalLikelihood(Broadcasting(), Bernoulli())},
            r"q\(z1\|·\): expected its prior's event shape torch.Size\(\[1\]\), got torch.Size\(\[2\]\)",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_nets_that_do_not_fit_are_told(change: dict, told: str) -> None:
    parts = {"p_z1": StandardNormal((2,)), "q_z1_given_x": ConditionalNormal(Encoder(4)), "p_x_given_z1": pixels(2)}
    model = VAE(SHAPE, **parts | change)
    for use in (lambda: model.shapes, lambda: model.sample(2)):
        with pytest.raises(ValueError, match=told):
            use()


@pytest.mark.usefixtures("unchecked")
def test_a_posterior_is_not_broadcast_against_its_prior() -> None:
    """Two coordinates against a prior of one would be a divergence counted twice, and no error anywhere."""
    decoder = ConditionalLikelihood(Broadcasting(), Bernoulli())
    model = VAE(SHAPE, StandardNormal((1,)), ConditionalNormal(Encoder(4)), decoder)
    for kl in (analytic_kl_or_sample, sampled_kl):
        with pytest.raises(ValueError, match=r"latent: expected one event shape, got \(2,\) of q, \(1,\) of p"):
            model.elbo(images(3), kl=kl)


def test_levels_that_differ_are_told() -> None:
    parts = {name: getattr(top_down(), name) for name in ("side_path", "prior", "posterior", "descent", "path")}
    parts = {name: dict(value.items()) for name, value in parts.items()}
    p_x = ConditionalLikelihood(nn.Conv2d(3, 1, 3, padding=1), Bernoulli())
    for name in ("prior", "posterior", "descent"):
        fewer = {level: net for level, net in parts[name].items() if level != "z2"}
        with pytest.raises(ValueError, match=f"{name}: expected nets for z3, z2, z1, got z3, z1"):
            TopDownModel(SHAPE, **parts | {name: fewer}, p_x_given_state=p_x)
    with pytest.raises(ValueError, match="path: expected levels among z2, z1, got z3"):
        TopDownModel(SHAPE, **parts | {"path": {"z3": nn.Identity()}}, p_x_given_state=p_x)
    with pytest.raises(ValueError, match="posterior: expected heads for z2, z1, got z1"):
        BottomUpVAE(SHAPE, {"z2": nn.Identity(), "z1": nn.Identity()}, {"z1": nn.Identity()}, p_x)


PROMISE = """
import sys, torch, hvae_ref
from hvae_ref.models import TopDownVAE

inside, found = next(iter(hvae_ref.__path__)), []

def trace(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(inside):
        found.append(frame.f_code.co_filename)

model, x = TopDownVAE.dense(64), torch.zeros(5, 64)
sys.setprofile(trace)
model.elbo(x)
sys.setprofile(None)
print(len(found), len(set(found)))
"""


def test_a_bound_is_read_in_twenty_calls_and_four_files() -> None:
    """What a reader with a debugger steps through for two levels; in a process without the tests' shape checks."""
    root = Path(next(iter(hvae_ref.__path__))).parent
    run = subprocess.run([sys.executable, "-c", PROMISE], cwd=root, capture_output=True, text=True, check=True)
    calls, files = map(int, run.stdout.split())
    assert 5 < calls <= 20 and files <= 4, run.stdout


def test_shapes_follow_when_an_arrow_is_replaced():
    model, other = (VAE.dense(16, latent_dims=(dim,), hidden=(8,)) for dim in (4, 6))
    assert model.shapes == {"z1": (4,)}
    for name, arrow in other.named_children():
        setattr(model, name, arrow)
    assert model.shapes == {"z1": (6,)}
    assert model.decode({"z1": torch.zeros(2, 6)}).mean.shape == (2, 16)
    assert model.priors is model.priors  # read once for the same arrows


def test_shapes_follow_when_an_arrow_of_a_level_is_replaced():
    model, other = (TopDownVAE.dense(16, latent_dims=(dim, 3), hidden=8) for dim in (4, 5))
    assert model.shapes == {"z2": (3,), "z1": (4,)}
    for part in ("prior", "posterior", "descent"):
        getattr(model, part)["z1"] = getattr(other, part)["z1"]
    assert model.shapes == {"z2": (3,), "z1": (5,)}
