"""The live figure in which two responses exchange their latents."""

from dataclasses import replace

import pytest

from hvae_ref.abr import plots
from hvae_ref.abr.models import HierarchicalResponseCVAE, TopDownResponseCVAE
from hvae_ref.abr.plots import exchange
from hvae_ref.cli import recipes
from hvae_ref.data import load


@pytest.fixture(scope="module")
def model():
    return recipes.pretrained("abr-hierarchical")


@pytest.fixture(scope="module")
def responses():
    return load("abr", "test")


def test_a_has_earlier_waves_than_b_and_both_are_loud(responses):
    a, b = exchange.two_responses(responses)
    delay = responses.truth.factors["delay"]
    assert float(delay[a]) < -0.1 < 0.1 < float(delay[b])
    assert bool((responses.condition[[a, b], 0] >= 70).all()) and bool(responses.targets["present"][[a, b]].all())
    with pytest.raises(ValueError, match="data: expected ten responses or more at 70 dB"):
        exchange.two_responses(replace(responses, condition=responses.condition.clamp(max=60.0)))


def test_what_the_figure_says_of_the_latents_is_so(model, responses):
    a, b = exchange.parts_of_two(model, responses)
    both = [exchange.decoded(model, parts)["x"] for parts in (a, b)]
    apart = (both[0] - both[1]).square().mean().sqrt()

    def share(**changed):
        """How far A's curve moves with these parts of B, as a share of the way."""
        return float((exchange.decoded(model, a | changed)["x"] - both[0]).square().mean().sqrt() / apart)

    assert share(z_local=b["z_local"]) < 0.25 and share(z_global=b["z_global"]) > 0.7
    soft = exchange.decoded(model, a | {"condition": [40.0, *a["condition"][1:]]})
    loud = exchange.decoded(model, a)
    assert bool((loud["present"] > 0).all()) and (soft["present"] > 0).tolist() == [False] * 4 + [True]
    assert float(soft["latency"][4]) > float(loud["latency"][4]) + 0.5


def test_the_figure_holds_the_decoder_alone(model, responses):
    figure, data = plots.live_response(model, responses, name="n"), exchange.stored(model, responses)
    assert figure.weights == data["weights"] and figure.name == "n"
    assert not [name for name in data["tensors"] if name.startswith("q_")] and data["tensors"]["coefficients"][0] == [
        20
    ]
    assert 0 < data["error"]["largest"] < 0.005  # µV


def test_other_models_are_refused(responses):
    for other in (
        HierarchicalResponseCVAE.dense(),
        HierarchicalResponseCVAE.dense(noise="correlated", prior="conditional", use_film=False),
        HierarchicalResponseCVAE.dense(noise="correlated", prior="conditional", predict_peaks=False),
        TopDownResponseCVAE.dense(),
    ):
        with pytest.raises(ValueError, match="model: expected HierarchicalResponseCVAE.dense"):
            plots.live_response(other, responses)
