"""Surprise of a texture in a form small enough for a page."""

import pytest
import torch

from hvae_ref.features import TextureSurprise, leading_components, plots
from hvae_ref.features.data.textures import crops
from hvae_ref.features.measures.texture_surprise import ALL, KEPT, SIDE, WHAT
from hvae_ref.features.plots.surprise_page import folded, patched, stored


@pytest.fixture(scope="module")
def grass():
    return TextureSurprise.load()


def share_inside(found, foreign, level, what):
    """How often a place of a square is more surprising than one outside, in the mean over 16 crops."""
    pairs = zip(crops("grass", SIDE, 16, 5, "test")[:, 0], crops(foreign, SIDE, 16, 6, "test")[:, 0], strict=True)
    surprise = found(torch.stack([patched(a, b, 24, 24, 8) for a, b in pairs])[:, None])[what][level]
    cell = SIDE // surprise.shape[-1]
    inside = torch.zeros(surprise.shape[1:], dtype=torch.bool)
    inside[16 // cell : 32 // cell, 16 // cell : 32 // cell] = True
    shares = [(s[inside][:, None] > s[~inside]).float().mean() for s in surprise]
    return float(torch.stack(shares).mean())


def test_brick_is_ordinary_in_leading_components_and_surprising_in_those_left_out(grass):
    assert share_inside(grass, "brick", "level1", "kept") < 0.55
    assert share_inside(grass, "brick", "level1", "left out") > 0.6
    assert share_inside(grass, "brick", "level2", "left out") > 0.8


def test_normal_crops_have_no_mean_and_a_spread_of_one(grass):
    surprise = grass(crops("grass", SIDE, 100, 1, "test"))
    for what in WHAT:
        for level in ALL:
            assert float(surprise[what][level].mean()) == pytest.approx(0, abs=1e-2)
            assert float(surprise[what][level].std()) == pytest.approx(1, abs=1e-2)


def test_the_mixture_of_a_level_is_what_its_surprise_comes_from(grass):
    images = crops("brick", SIDE, 2, 0)
    whitened = leading_components(grass.reduction.transform(grass.maps(images)), KEPT)
    for level in ALL:
        log_p = grass.mixture(level).log_prob(whitened[level].movedim(1, -1))
        assert torch.allclose(-log_p, grass.raw(images)["kept"][level], atol=1e-4)


def test_what_is_written_is_read_and_other_files_are_refused(grass, tmp_path):
    grass.save(tmp_path / "again.safetensors")
    again, images = TextureSurprise.load(tmp_path / "again.safetensors"), crops("gravel", SIDE, 2, 0)
    assert torch.equal(again(images)["kept"]["level2"], grass(images)["kept"]["level2"])
    with pytest.raises(ValueError, match="path: expected a file that `save` wrote"):
        TextureSurprise.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="images: expected finite values"):
        grass(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match="name: expected one of"):
        TextureSurprise().fit("coffee")


def test_a_patch_has_mean_and_spread_of_what_it_covers_and_the_rest_stays():
    texture, foreign = torch.rand(SIDE, SIDE) * 0.4 + 0.3, torch.rand(SIDE, SIDE)
    image = patched(texture, foreign, 5, 30, 8)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[22:38, 0:13] = True
    assert torch.equal(image[~inside], texture[~inside]) and not torch.equal(image[inside], texture[inside])
    assert float(image[inside].mean()) == pytest.approx(float(texture[inside].mean()), abs=1e-3)
    assert float(image[inside].std()) == pytest.approx(float(texture[inside].std()), abs=1e-2)


def test_the_figure_tells_whose_numbers_it_has(grass):
    figure, data = plots.live_surprise(grass, name="n"), stored(grass)
    assert figure.kind == "surprise" and figure.name == "n" and figure.weights == data["weights"]
    assert sum(len(block["layers"]) for block in data["blocks"]) == 15
    assert [level["after"] for level in data["levels"].values()] == [3, 5]
    assert all(value.ndim == 1 for value in folded(grass).values()), "matrices would be rounded"
