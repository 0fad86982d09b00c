"""What a model is given wrongly, and what it says then: the parameter, what was expected, what came, what to do."""

import pytest
import torch

from hvae_ref.models import VAE, AutoregressiveVAE, LinearGaussianModel, TwoLevelVAE

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("method", ["elbo", "encode", "reconstruct", "infer", "log_weight"])
def test_data_that_does_not_fit_is_refused_by_every_method(kind, method: str) -> None:
    model, x = kind.build(), kind.data(3)

    def call(value: object) -> None:
        getattr(model, method)(value, *((2,) if method == "log_weight" else ()))

    for shape in [(5,), (3, 4), (3, 5, 1), (0, 5)]:
        with pytest.raises(ValueError, match=r"x: expected a tensor of shape \(batch, 5\), batch at least 1, got \("):
            call(torch.zeros(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match="x: expected a tensor of shape .* got list"):
        call([[0.0] * 5])
    for dtype in (torch.float32, torch.int64, torch.bool):
        with pytest.raises(ValueError, match=f"x: expected dtype torch.float64, the model's, got {dtype}"):
            call(x.to(dtype))
    with pytest.raises(ValueError, match="x: expected device cpu, the model's, got meta"):
        call(x.to("meta"))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="x: expected"):
            call(torch.cat([x[:2], torch.full((1, 5), bad, dtype=torch.float64)]))


def test_values_outside_the_likelihoods_support_are_refused(net_case) -> None:
    model = net_case.build()
    for value in (-1.0, 0.5, float(model.num_values)):
        with pytest.raises(ValueError, match=rf"x: expected the integers 0 … {model.num_values - 1}, .*binarise"):
            model.elbo(torch.full((2, 5), value, dtype=torch.float64))


def test_the_same_errors_for_the_mistaken_objectives() -> None:
    model = TwoLevelVAE(5, (3, 2), (8,), (6,))
    for method in (model.mistaken_shortcut, model.mistaken_standard_normal_kl):
        with pytest.raises(ValueError, match="binarise"):
            method(torch.full((2, 5), 0.5))


def test_latents_that_do_not_fit_are_refused(kind) -> None:
    model = kind.build()
    z = model.sample_latents(4)
    top = model.levels[0]
    for call in (lambda fixed: model.sample(4, fixed=fixed), lambda fixed: model.sample_latents(4, fixed=fixed)):
        with pytest.raises(ValueError, match="unknown .*'z9'"):
            call({"z9": z[top]})
        with pytest.raises(ValueError, match=rf"{top}: expected shape \(4, {model.dims[top]}\) or \(1, "):
            call({top: z[top][:3]})
        with pytest.raises(ValueError, match=rf"{top}: expected shape"):
            call({top: z[top][:, :1].expand(4, 7)})
        with pytest.raises(ValueError, match=rf"{top}: expected the model's torch.float64 on cpu, got torch.float32"):
            call({top: z[top].float()})
    with pytest.raises(ValueError, match=f"missing .*'{top}'"):
        model.decode({level: value for level, value in z.items() if level != top})
    with pytest.raises(ValueError, match="missing"):
        model.decode({})
    if len(model.levels) > 1:
        with pytest.raises(ValueError, match=r"z1: expected shape \(4, "):
            model.decode(z | {"z1": z["z1"][:2]})


def test_numbers_that_make_no_sense_are_refused(kind) -> None:
    model, x = kind.build(), kind.data(3)
    with pytest.raises(ValueError, match="n: expected at least one sample, got 0"):
        model.log_weight(x, 0)
    for call in (model.sample, model.sample_latents):
        with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
            call(0)
        for temperature in (-0.5, float("nan")):
            with pytest.raises(ValueError, match="temperature: expected a number of at least 0"):
                call(2, temperature=temperature)
    with pytest.raises(ValueError, match="keep: unknown level z7; this model has z"):
        model.reconstruct(x, keep=("z7",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_dim": 0}, "data_dim: expected at least 1, got 0"),
        ({"data_dim": 5, "latent_dims": ()}, "latent_dims"),
        ({"data_dim": 5, "latent_dims": (0,)}, "latent_dims"),
        ({"data_dim": 5, "latent_dims": (3, 2)}, "latent_dims: expected one level, got 2"),
        ({"data_dim": 5, "num_values": 1}, "num_values: expected at least 2, got 1"),
        ({"data_dim": 5, "num_values": 17}, "num_values: a Bernoulli"),
        ({"data_dim": 5, "likelihood": "normal"}, "likelihood: expected one of"),
    ],
)
@pytest.mark.parametrize("build", [VAE, AutoregressiveVAE])
def test_models_that_cannot_be_are_refused(build, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_a_two_level_model_has_two_levels() -> None:
    for latent_dims in ((3,), (4, 3, 2)):
        with pytest.raises(ValueError, match=f"latent_dims: expected two levels, got {len(latent_dims)}"):
            TwoLevelVAE(5, latent_dims)


def test_linear_gaussian_data_may_be_any_real_number_but_not_nan() -> None:
    model = LinearGaussianModel.random(5, (3, 2), seed=0)
    for method in (model.log_prob, model.posterior, model.posterior_marginals, model.exact_elbo, model.exact_shortcut):
        method(torch.full((1, 5), -3.7, dtype=torch.float64))
        with pytest.raises(ValueError, match="x: expected finite values"):
            method(torch.full((1, 5), float("nan"), dtype=torch.float64))
