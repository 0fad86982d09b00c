"""Levels on unit spheres: where their values lie, how κ starts, and that they learn where they used to collapse."""

import copy
import io

import pytest
import torch
from torch.distributions import Independent, kl_divergence

from hvae_ref.distributions import VonMisesFisher
from hvae_ref.evaluation import active_units, interpolate
from hvae_ref.evaluation.conditions import spheres_of
from hvae_ref.models import HypersphericalVAE, TopDownVAE
from hvae_ref.nn.sphere_heads import CONCENTRATIONS, ConditionalVonMisesFisher, safe_norm, safe_normalize


@pytest.mark.parametrize("spheres", [1, 2, 6])
def test_latents_are_unit_vectors(spheres: int) -> None:
    model, x = HypersphericalVAE.dense(5, (12,), spheres, (8,)), torch.ones(7, 5)
    shape = (12,) if spheres == 1 else (spheres, 12 // spheres)
    assert model.shapes == {"z1": shape}
    for z in (model.infer(x).z["z1"], model.sample_latents(7)["z1"]):
        assert z.shape == (7, *shape)
        torch.testing.assert_close(z.norm(dim=-1), torch.ones(z.shape[:-1]))
    assert isinstance(model.encode(x)["z1"], VonMisesFisher if spheres == 1 else Independent)


def test_one_sphere_off_its_surface_is_enough() -> None:
    model = HypersphericalVAE.dense(5, (6,), 2, (8,))
    z = model.sample_latents(3)["z1"]
    with pytest.raises(ValueError, match="z1: expected values in .*, the support of its prior, got others"):
        model.decode({"z1": z * torch.tensor([[1.0], [2.0]])})


def test_a_copy_of_a_model_knows_its_spheres_too() -> None:
    """Also where the model has looked at its own priors before: values are rounded by the time a copy meets them."""
    model = HypersphericalVAE.dense(5, (6,), 2, (8,))
    assert spheres_of(model) == {"z1"}
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(model), torch.load(buffer, weights_only=False)):
        assert spheres_of(other) == {"z1"}
        other.decode({"z1": model.sample_latents(3)["z1"] * 1.0005})


@pytest.mark.usefixtures("unchecked")
def test_sizes_that_make_no_sphere_are_refused() -> None:
    for size, spheres in ((1, 1), (6, 4), (6, 6), (6, 0)):
        with pytest.raises(ValueError, match=f"latent_dims, spheres: expected a size .* got {size} for {spheres}"):
            HypersphericalVAE.dense(5, (size,), spheres, (8,))
    with pytest.raises(ValueError, match="latent_dims: expected 1 level, got 2"):
        HypersphericalVAE.dense(5, (6, 3), hidden=(8,))
    with pytest.raises(ValueError, match="concentration: expected one of natural, scaled, softplus, got 'exp'"):
        HypersphericalVAE.dense(5, (6,), hidden=(8,), concentration="exp")
    with pytest.raises(ValueError, match="top: expected one of gaussian, sphere, got 'torus'"):
        TopDownVAE.dense(5, (3, 3), 8, top="torus")
    with pytest.raises(ValueError, match=r"latent_dims: expected a top level of at least 2 for a sphere, got \(3, 1\)"):
        TopDownVAE.dense(5, (3, 1), 8, top="sphere")
    for outputs, spheres in ((1, 1), (2, 1), (8, 3), (6, 3)):
        head = ConditionalVonMisesFisher(torch.nn.Identity(), spheres)
        with pytest.raises(ValueError, match=rf"net: expected {spheres} · \(m \+ 1\) outputs .*, got {outputs}"):
            head(torch.zeros(4, outputs))


@pytest.mark.parametrize("concentration", CONCENTRATIONS)
@pytest.mark.parametrize("m", [2, 3, 64, 512])
def test_where_each_reading_of_the_concentration_starts(concentration: str, m: int) -> None:
    """Outputs of 0.1 for every coordinate and 0 for the raw number, as a fresh net has them."""
    out = torch.cat([torch.full((1, m), 0.1), torch.zeros(1, 1)], -1).double()
    q = ConditionalVonMisesFisher(torch.nn.Identity(), concentration=concentration)(out)
    nats = float(kl_divergence(q, HypersphericalVAE.dense(5, (m,), hidden=(8,)).double().p_z1(1)))
    resultant = float(q.mean_resultant_length)
    if concentration == "natural":
        # κ = 2 √m ‖v‖ = m/5, and √m z starts like N(2 v, I): KL = ½‖2 v‖², a mean resultant length of 2 ‖v‖/√m.
        assert nats == pytest.approx(0.5 * 0.04 * m, rel=0.08) and resultant == pytest.approx(0.2, rel=0.05)
    elif concentration == "scaled":
        assert 0.6 < resultant < 0.71 and nats > 0.1 * m
    else:
        assert resultant == pytest.approx(1.693 / m, rel=0.4)


def test_no_raw_number_silences_the_vector() -> None:
    """However large σ gets, κ stays above √m ‖v‖, and the divergence has a gradient in v."""
    out = torch.cat([torch.full((1, 16), 0.5), torch.full((1, 1), 100.0)], -1).double().requires_grad_()
    for concentration, silent in (("natural", False), ("scaled", True)):
        q = ConditionalVonMisesFisher(torch.nn.Identity(), concentration=concentration)(out)
        (slope,) = torch.autograd.grad(kl_divergence(q, HypersphericalVAE.dense(5, (16,)).double().p_z1(1)).sum(), out)
        assert (slope[0, :16].abs().max() < 1e-6) == silent == (q.concentration.item() < 8)


def test_the_head_is_smooth_at_the_origin_and_for_any_scale() -> None:
    for scale in (0.0, 1e-30, 1e-5, 1.0, 1e15, 1e30):
        v = (scale * torch.tensor([[3.0, -4.0, 0.0]])).requires_grad_()
        unit = safe_normalize(v)
        torch.testing.assert_close(unit.norm(dim=-1), torch.ones(1))
        if scale in (0.0, 1e-5, 1.0, 1e15):
            assert safe_norm(v).item() == pytest.approx(5 * scale, rel=1e-5)
        (unit.sum() + safe_norm(v.clamp(-1e15, 1e15)).sum()).backward()
        assert torch.isfinite(v.grad).all()
    head = ConditionalVonMisesFisher(torch.nn.Identity())
    out = torch.zeros(4, 6, requires_grad=True)
    q = head(out)
    assert (q.concentration == 0).all()
    (q.rsample().sum() + q.entropy().sum()).backward()
    assert torch.isfinite(out.grad).all()


@pytest.mark.parametrize("m", [2, 128])
def test_nothing_collapses_in_high_dimension(m: int) -> None:
    """Eight patterns of 64 pixels, 150 steps: the latent tells them apart, whatever the dimension."""
    torch.manual_seed(0)
    patterns = (torch.rand(8, 64) < 0.5).float()
    model = HypersphericalVAE.dense(64, (m,), hidden=(64,))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        bound = model.elbo(patterns.repeat(8, 1))
        (-bound.value.mean()).backward()
        optimizer.step()
    assert bound.kl["z1"].mean() > 1.0
    assert active_units(model, patterns.repeat(4, 1))["z1"] >= 1


def test_a_walk_on_a_sphere_stays_on_it() -> None:
    torch.manual_seed(1)
    x = (torch.rand(2, 5) < 0.5).float()
    for model in (HypersphericalVAE.dense(5, (6,), 2, (8,)), TopDownVAE.dense(5, (3, 4), 8, top="sphere")):
        for others in ("prior", "posterior"):
            assert interpolate(model, x[0], x[1], model.levels[0], steps=4, others=others).shape == (4, 5)
        with pytest.raises(ValueError, match="walk: expected one of spherical, got 'linear'"):
            interpolate(model, x[0], x[1], model.levels[0], walk="linear")
    assert interpolate(model, x[0], x[1], "z1", steps=4, others="posterior").shape == (4, 5)
