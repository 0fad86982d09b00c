"""What a model is given wrongly, and what it says then: the parameter, what was expected, what came, what to do."""

import re

import pytest
import torch

from hvae_ref.models import VAE, AutoregressiveVAE, LinearGaussianModel, TopDownVAE, TwoLevelVAE

pytestmark = pytest.mark.usefixtures("unchecked")


def test_data_that_does_not_fit_is_refused_by_every_method(kind) -> None:
    model = kind.build()
    for method in ("elbo", "encode", "reconstruct", "infer", "log_weight"):
        check_refusals(model, kind, method)


def check_refusals(model, kind, method: str) -> None:
    """Data of another shape, type, device or support is refused by a method, which names x, what it expects and got."""
    x, beside, shape = kind.data(3), kind.beside(3), kind.x_shape

    def call(value: object) -> None:
        getattr(model, method)(value, *((2,) if method == "log_weight" else ()), **beside)

    wanted = rf"^x: expected .*\(batch, {', '.join(map(str, shape))}\).* got "
    for wrong in [shape, (3, *shape[:-1], 7), (3, *shape, 1), (0, *shape), (3, 30)]:
        with pytest.raises(ValueError, match=wanted + re.escape(str(wrong))):
            call(torch.zeros(wrong, dtype=torch.float64))
    with pytest.raises(ValueError, match=wanted + "list"):
        call(x.tolist())
    for dtype in (torch.float32, torch.int64, torch.bool):
        with pytest.raises(ValueError, match=f"^x: expected torch.float64 on cpu.* got {dtype} on cpu"):
            call(x.to(dtype))
    with pytest.raises(ValueError, match="^x: expected torch.float64 on cpu.* got torch.float64 on meta"):
        call(x.to("meta"))
    for bad in (float("nan"), float("inf")):
        broken = x.clone()
        broken[2].view(-1)[0] = bad
        with pytest.raises(ValueError, match="^x: expected .* got .*(nan|inf)"):
            call(broken)


def test_values_outside_the_likelihoods_support_are_refused(discrete) -> None:
    model, v, beside = discrete.build(), discrete.values, discrete.beside(2)
    told = "0 and 1" if v == 2 else f"the integers 0 … {v - 1}"
    for value in (-1.0, 0.5, float(v)):
        with pytest.raises(ValueError, match=rf"^x: expected {told}.* got .*{value:g}"):
            model.elbo(torch.full((2, *discrete.x_shape), value, dtype=torch.float64), **beside)


def test_the_same_errors_for_the_mistaken_objectives() -> None:
    model = TwoLevelVAE.dense(5, (3, 2), (8,), (6,))
    for method in (model.mistaken_shortcut, model.mistaken_standard_normal_kl):
        with pytest.raises(ValueError, match="binarise"):
            method(torch.full((2, 5), 0.5))


def test_latents_that_do_not_fit_are_refused(kind) -> None:
    model, beside, one = kind.build(), kind.beside(4), kind.beside(1)
    z = model.sample_latents(4, **beside)
    top = model.levels[0]
    shape = ", ".join(map(str, model.shapes[top]))
    for draw in (model.sample, model.sample_latents):

        def call(fixed, draw=draw):
            draw(4, fixed=fixed, **beside)

        with pytest.raises(ValueError, match="latents: expected .*; unknown .*'z9'"):
            call({"z9": z[top]})
        wanted = re.escape(f"{top}: expected shape (4, {shape}{',' * (not shape)}) or (1, ")
        for wrong in (z[top][:3], z[top].new_zeros(4, 30), z[top].flatten(), z[top].new_zeros(())):
            with pytest.raises(ValueError, match=wanted):
                call({top: wrong})
        with pytest.raises(ValueError, match=rf"{top}: expected .*shape .* got float"):
            call({top: 0.0})
        with pytest.raises(ValueError, match=rf"{top}: expected the model's torch.float64 on cpu, got torch.float32"):
            call({top: z[top].float()})
        with pytest.raises(ValueError, match=rf"{top}: expected finite values, found NaN or infinity"):
            call({top: z[top] * torch.nan})
    with pytest.raises(ValueError, match=f"missing .*'{top}'"):
        model.decode({level: value for level, value in z.items() if level != top}, **beside)
    with pytest.raises(ValueError, match="missing"):
        model.decode({}, **one)
    for wrong in (0.0, z[top].new_zeros(())):
        with pytest.raises(ValueError, match=rf"{top}: expected .*shape"):
            model.decode(z | {top: wrong}, **one)
    if len(model.levels) > 1:
        with pytest.raises(ValueError, match=r"z1: expected shape \(4, "):
            model.decode(z | {"z1": z["z1"][:2]}, **beside)


def test_latents_off_their_sphere_are_refused(sphere_kind) -> None:
    model, beside = sphere_kind.build(), sphere_kind.beside(4)
    z = model.sample_latents(4, **beside)
    top = model.levels[0]
    for call in (lambda z: model.decode(z, **beside), lambda z: model.sample(4, fixed=z, **beside)):
        call(z | {top: z[top] * (1 + 1e-4)})
        with pytest.raises(ValueError, match=rf"{top}: expected values in .*UnitVector.*, the support of its prior"):
            call(z | {top: z[top] * 1.01})


def test_numbers_that_make_no_sense_are_refused(kind) -> None:
    model, x, beside, two = kind.build(), kind.data(3), kind.beside(3), kind.beside(2)
    with pytest.raises(ValueError, match="n: expected at least one sample, got 0"):
        model.log_weight(x, 0, **beside)
    for call in (model.sample, model.sample_latents):
        with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
            call(0, **beside)
        for temperature in (-0.5, float("nan")):
            with pytest.raises(ValueError, match="temperature: expected a finite number ≥ 0"):
                call(2, temperature=temperature, **two)
    names = ", ".join(model.levels)
    for keep in (("z7",), "z1"):
        told = re.escape(f"keep: expected a collection of names among {names}, got {keep!r}")
        with pytest.raises(ValueError, match=told):
            model.reconstruct(x, keep=keep, **beside)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x_shape": 0}, "x_shape: expected a size or sizes of at least 1, got 0"),
        ({"x_shape": ()}, r"x_shape: expected .*got \(\)"),
        ({"x_shape": 5, "latent_dims": ()}, "latent_dims: expected at least 1 sizes"),
        ({"x_shape": 5, "latent_dims": (0,)}, "latent_dims: expected"),
        ({"x_shape": 5, "latent_dims": 3}, r"latent_dims: expected a sequence of sizes such as \(3,\), got 3"),
        ({"x_shape": 5, "latent_dims": (3, 2)}, "latent_dims: expected 1 level, got 2; .* see BottomUpVAE"),
        ({"x_shape": 5, "hidden": 8}, r"hidden: expected a sequence of sizes such as \(8,\), got 8"),
        ({"x_shape": 5, "hidden": (8, 0)}, r"hidden: expected .*got \[8, 0\]"),
        ({"x_shape": 5, "flow": "plane"}, "flow: expected one of planar, .*got 'plane'"),
        ({"x_shape": 5, "flow": {"z2": "planar"}}, "flow: unknown level z2; this model has z1"),
    ],
)
@pytest.mark.parametrize("build", [VAE.dense, AutoregressiveVAE.dense])
def test_models_that_cannot_be_are_refused(build, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_pixels_in_an_order_are_no_image() -> None:
    with pytest.raises(
        ValueError, match=r"x_shape: expected the size of a vector, whose order counts, got \(1, 2, 3\)"
    ):
        AutoregressiveVAE.dense((1, 2, 3))


def test_a_two_level_model_has_two_levels() -> None:
    for latent_dims in ((3,), (4, 3, 2)):
        with pytest.raises(ValueError, match=f"latent_dims: expected 2 levels, got {len(latent_dims)}"):
            TwoLevelVAE.dense(5, latent_dims)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"posterior": "absolute"}, "posterior: expected one of relative, ladder, got 'absolute'"),
        ({"top": "torus"}, "top: expected one of gaussian, sphere, got 'torus'"),
        ({"hidden": 0}, r"hidden: expected"),
        ({"latent_dims": (3, 0)}, "latent_dims: expected"),
    ],
)
def test_top_down_models_that_cannot_be_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopDownVAE.dense(**({"x_shape": 5, "latent_dims": (3, 2), "hidden": 8} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x_shape": 20}, r"x_shape: expected \(channels, height, width\), got \(20,\)"),
        ({"latent_shapes": ((2, 3, 3),)}, r"latent_shapes: expected sizes that halving \(4, 5\) .* got \(3, 3\)"),
        ({"latent_shapes": (3, (2, 2, 3))}, r"latent_shapes: expected sizes that halving \(\) .* got \(2, 3\)"),
        ({"latent_shapes": ()}, "latent_shapes, hidden: expected sizes of at least 1"),
        ({"latent_shapes": ((0, 2, 3),)}, "latent_shapes, hidden: expected sizes of at least 1"),
        ({"latent_shapes": ((2, 3),)}, r"latent_shapes: expected .*\(channels, height, width\).*got \(2, 3\)"),
        ({"hidden": 0}, "latent_shapes, hidden: expected sizes of at least 1"),
        ({"posterior": "absolute"}, "posterior: expected 'relative' or 'ladder', got 'absolute'"),
    ],
)
def test_convolutional_models_that_cannot_be_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopDownVAE.convolutional(**({"x_shape": (1, 4, 5), "latent_shapes": ((2, 2, 3), 3), "hidden": 4} | arguments))


def test_one_channel_is_enough() -> None:
    model = TopDownVAE.convolutional((1, 4, 5), ((1, 2, 3), 1), hidden=1)
    assert model.elbo(torch.ones(2, 1, 4, 5)).value.shape == (2,)


def test_linear_gaussian_data_may_be_any_real_number_but_not_nan() -> None:
    model = LinearGaussianModel.random(5, (3, 2), seed=0)
    for method in (
        model.log_prob,
        model.exact_posterior,
        model.posterior_marginals,
        model.exact_elbo,
        model.exact_shortcut,
    ):
        method(torch.full((1, 5), -3.7, dtype=torch.float64))
        with pytest.raises(ValueError, match="x: expected finite numbers"):
            method(torch.full((1, 5), float("nan"), dtype=torch.float64))
