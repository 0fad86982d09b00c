"""Models of p(x|c): every method hears the condition, row by row, and says what is wrong with one."""

import pytest
import torch

from hvae_ref.models import VAE
from hvae_ref.nn import Labels


def changed(beside: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same conditions but for that of row 0."""
    other = beside["condition"].clone()
    other[0] = (other[0] + 1) % 3 if other.dtype == torch.int64 else other[0] + 1
    return {"condition": other}


@torch.no_grad()
def test_every_row_hears_its_own_condition_in_every_method(conditional) -> None:
    model, x, beside = conditional.build(), conditional.data(4), conditional.beside(4)
    z = model.sample_latents(4, **beside)
    calls = {
        "elbo": lambda c: model.elbo(x, **c).value,
        "log_weight": lambda c: model.log_weight(x, 2, **c).mT,
        "encode": lambda c: model.encode(x, **c)["z1"].mean.flatten(1),
        "decode": lambda c: model.decode(z, **c).log_prob(x),
        "sample": lambda c: model.sample_latents(4, **c)["z1"].flatten(1),
        "reconstruct": lambda c: model.reconstruct(x, **c),
        "generation": lambda c: model.reconstruct(x, keep=(), **c),
    }
    if len(model.levels) == 1:
        del calls["sample"]  # p(z_L) knows no condition
    for name, call in calls.items():
        results = []
        for c in (beside, changed(beside)):
            torch.manual_seed(5)
            results.append(call(c))
        one, other = results
        torch.testing.assert_close(one[1:], other[1:], msg=name)
        assert (one[0] - other[0]).abs().max() > 1e-6, name


@torch.no_grad()
def test_a_single_condition_stands_for_all_rows(conditional) -> None:
    model, x, one = conditional.build(), conditional.data(4), conditional.beside(1)
    each = {name: value.expand(4, *value.shape[1:]) for name, value in one.items()}
    z = model.sample_latents(4, **one)
    calls = [
        lambda c: model.elbo(x, **c).value,
        lambda c: model.log_weight(x, 3, **c),
        lambda c: model.decode(z, **c).mean,
        lambda c: model.sample(4, **c),
        lambda c: model.reconstruct(x, keep=(), **c),
    ]
    for call in calls:
        results = []
        for c in (one, each):
            torch.manual_seed(5)
            results.append(call(c))
        torch.testing.assert_close(*results)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("method", ["elbo", "infer", "encode", "log_weight", "reconstruct", "sample", "decode"])
def test_a_condition_that_does_not_fit_is_refused_by_every_method(conditional, method: str) -> None:
    model, x, beside = conditional.build(), conditional.data(4), conditional.beside(4)
    arguments = {"log_weight": (x, 2), "sample": (4,), "decode": (model.sample_latents(4, **beside),)}.get(method, (x,))

    def call(condition: object) -> None:
        getattr(model, method)(*arguments, condition=condition)

    good = beside["condition"]
    with pytest.raises(ValueError, match="condition: expected one.* got None"):
        call(None)
    for wrong in (good[:3], good.unsqueeze(-1), good[0, ...] if good.ndim == 1 else good[:, :1], [0, 1, 2, 0], 1):
        with pytest.raises(ValueError, match=r"condition: expected .*\(4.*\) or \(1.*\), got"):
            call(wrong)
    if conditional.condition == "labels":
        for wrong in (good.double(), good.bool()):
            with pytest.raises(ValueError, match=r"condition: expected whole numbers of shape \(4,\) or \(1,\), got"):
                call(wrong)
        for wrong in (good - 1, good + 3):
            with pytest.raises(ValueError, match=r"condition: expected labels 0 … 2, got"):
                call(wrong)
    else:
        with pytest.raises(ValueError, match=r"condition: expected torch.float64 on cpu.* got torch.fl"):
            call(good.float())
        for wrong in (torch.nan, torch.inf):
            with pytest.raises(ValueError, match="condition: expected finite numbers, found NaN or infinity"):
                call(torch.full_like(good, wrong))


@pytest.mark.usefixtures("unchecked")
def test_a_condition_where_the_model_has_none_is_refused() -> None:
    model, x, c = VAE.dense(5, (3,), (8,)), torch.ones(4, 5), torch.zeros(4, dtype=torch.long)
    calls = [
        lambda: model.elbo(x, condition=c),
        lambda: model.log_weight(x, 2, condition=c),
        lambda: model.sample(4, condition=c),
        lambda: model.reconstruct(x, condition=c),
        lambda: model.decode(model.sample_latents(4), condition=c),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="condition: expected None"):
            call()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_labels_of_any_whole_dtype_mean_the_same(dtype: torch.dtype) -> None:
    """A byte is no mask."""
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert torch.equal(Labels(3)(torch.tensor([2, 0, 1], dtype=dtype), rows=3), expected)


def test_a_condition_comes_by_keyword() -> None:
    model, x = VAE.dense(5, (3,), (8,), condition=Labels(3)), torch.ones(2, 5)
    with pytest.raises(TypeError):
        model.elbo(x, torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize("size", [0, 1])
def test_labels_need_two_classes(size: int) -> None:
    with pytest.raises(ValueError, match=f"classes: expected at least 2, got {size}"):
        Labels(size)
