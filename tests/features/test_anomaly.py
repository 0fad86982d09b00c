"""Scores are standardised per level before they are summed; areas under the curve are those of their definition."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from hvae_ref.features.measures.anomaly import AnomalyScore, image_aurocs, pixel_auroc


def some_scores(n=6, size=12, ties=True, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(n, size, size, generator=generator) < 0.2
    scores = masks + 1.5 * torch.randn(n, size, size, generator=generator)
    return (scores.mul(3).round() if ties else scores), masks


def test_normal_maps_have_mean_zero_and_spread_one_at_every_level():
    normal = {"fine": 40 + 9 * torch.randn(5, 16, 16), "coarse": -300 + 0.2 * torch.randn(5, 4, 4)}
    scores = AnomalyScore(normal, (32, 32))(normal)
    for level in normal:
        assert scores[level].mean().item() == pytest.approx(0, abs=1e-3)
        assert scores[level].std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(scores["combined"], scores["fine"] + scores["coarse"])


def test_scores_are_surprise_less_the_mean_by_the_spread_of_other_images():
    normal, seen = torch.randn(4, 8, 8, dtype=torch.float64), torch.randn(2, 8, 8, dtype=torch.float64)
    score = AnomalyScore({"a": normal}, (8, 8))({"a": seen})["a"]
    assert torch.allclose(score, (seen - normal.mean()) / normal.std(correction=0))


def test_a_level_on_a_large_scale_does_not_drown_the_others():
    # Level "small" sees the patch and "large" is noise a thousand times as large.
    normal = {"small": torch.randn(8, 16, 16), "large": 1000 * torch.randn(8, 16, 16)}
    masks = torch.zeros(8, 16, 16, dtype=torch.bool)
    masks[:, 4:9, 4:9] = True
    seen = {"small": torch.randn(8, 16, 16) + 6 * masks, "large": 1000 * torch.randn(8, 16, 16)}
    assert pixel_auroc(AnomalyScore(normal, (16, 16))(seen)["combined"], masks).value > 0.97
    assert pixel_auroc(seen["small"] + seen["large"], masks).value < 0.7


def test_maps_are_enlarged_in_place():
    # A single strange position of a coarse map lies above its own square of pixels.
    normal, seen = torch.randn(3, 4, 4), torch.zeros(1, 4, 4)
    seen[0, 1, 2] = 5
    score = AnomalyScore({"a": normal}, (16, 16))({"a": seen})["a"][0]
    row, column = divmod(int(score.argmax()), 16)
    assert 4 <= row < 8 and 8 <= column < 12
    assert score[:2].max() < score.max() - 1


def test_smoothing_is_a_gaussian_filter():
    normal, seen = torch.randn(3, 20, 24, dtype=torch.float64), torch.randn(2, 20, 24, dtype=torch.float64)
    score = AnomalyScore({"a": normal}, (20, 24), smoothing=2.0)
    smoothed = np.stack([gaussian_filter(m.numpy(), 2.0, mode="nearest", truncate=3.0) for m in seen])
    assert np.allclose(score({"a": seen})["a"].numpy() * score.spread["a"] + score.mean["a"], smoothed, atol=1e-10)
    assert score.spread["a"] < 0.5 * normal.std()


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_that_of_scikit_learn_and_of_the_definition(ties):
    scores, masks = some_scores(ties=ties)
    area = pixel_auroc(scores, masks)
    pairs = (scores[masks][:, None] - scores[~masks][None]).sign()
    assert area.value == pytest.approx(roc_auc_score(masks.flatten(), scores.flatten()), abs=1e-12)
    assert area.value == pytest.approx((pairs.double().mean().item() + 1) / 2, abs=1e-12)
    assert area.images == 6 and area.low < area.value < area.high


def test_the_interval_is_the_percentile_bootstrap_over_images():
    scores, masks = some_scores(n=5)
    area = pixel_auroc(scores, masks, resamples=300, seed=7)
    picks = np.random.default_rng(7).integers(5, size=(300, 5))
    areas = [roc_auc_score(masks[pick].flatten(), scores[pick].flatten()) for pick in picks]
    assert (area.low, area.high) == pytest.approx(np.quantile(areas, [0.025, 0.975]), abs=1e-12)


def test_images_with_one_kind_of_pixels_count_with_the_others():
    scores, masks = some_scores(n=4)
    masks[0], masks[1] = False, True
    area = pixel_auroc(scores, masks)
    assert area.value == pytest.approx(roc_auc_score(masks.flatten(), scores.flatten()), abs=1e-12)
    assert image_aurocs(scores, masks).isnan().tolist() == [True, True, False, False]


def test_areas_of_single_images():
    scores, masks = some_scores()
    expected = [roc_auc_score(m.flatten(), s.flatten()) for s, m in zip(scores, masks, strict=True)]
    assert image_aurocs(scores, masks).tolist() == pytest.approx(expected, abs=1e-12)
    alone = pixel_auroc(scores[:1], masks[:1])
    assert (alone.low, alone.value, alone.high) == pytest.approx((expected[0],) * 3, abs=1e-12)


def test_one_threshold_for_all_images_is_asked_for():
    # Each image is ordered perfectly, on a scale of its own.
    masks = torch.tensor([[[False, True]], [[False, True]]])
    scores = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]])
    assert image_aurocs(scores, masks).tolist() == [1, 1] and pixel_auroc(scores, masks).value == 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s, m: (s, m[:, :-1]),
            r"masks: expected the shape of the scores, .*got \(6, 11, 12\) and \(6, 12, 12\)",
        ),
        (lambda s, m: (s[0], m[0]), "masks: expected the shape of the scores"),
        (lambda s, m: (s[:0], m[:0]), "masks: expected the shape of the scores"),
        (lambda s, m: (s, m.float()), "masks: expected booleans, got torch.float32"),
        (lambda s, m: (s.where(~m, torch.nan), m), "scores: expected finite numbers"),
        (lambda s, m: (s.where(~m, torch.inf), m), "scores: expected finite numbers"),
        (lambda s, m: (s, torch.zeros_like(m)), "masks: expected pixels of both kinds, all 864 are False"),
        (lambda s, m: (s, torch.ones_like(m)), "masks: expected pixels of both kinds, all 864 are True"),
    ],
)
@pytest.mark.parametrize("measure", [pixel_auroc, image_aurocs])
def test_wrong_scores_and_masks_are_named(unchecked, measure, change, message):
    with pytest.raises(ValueError, match=message):
        measure(*change(*some_scores()))


MAPS = {"a": torch.randn(2, 4, 4), "b": torch.randn(2, 2, 2)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AnomalyScore({}, (8, 8)), "normal: expected maps of at least one level, got none"),
        (lambda: AnomalyScore({"combined": MAPS["a"]}, (8, 8)), "normal: expected levels other than 'combined'"),
        (
            lambda: AnomalyScore({"a": torch.ones(2, 4, 4)}, (8, 8)),
            r"normal\['a'\]: expected some spread, got 1 all over",
        ),
        (lambda: AnomalyScore({"a": torch.ones(2, 1, 4, 4)}, (8, 8)), r"a: expected maps \(B, H, W\)"),
        (lambda: AnomalyScore({"a": MAPS["a"][:0]}, (8, 8)), r"a: expected maps \(B, H, W\) of at least one image"),
        (lambda: AnomalyScore({"a": MAPS["a"] * torch.nan}, (8, 8)), "a: expected finite numbers"),
        (lambda: AnomalyScore(MAPS, (8, 8), smoothing=-1), "size, smoothing: expected"),
        (
            lambda: AnomalyScore(MAPS, (8, 8))({"a": MAPS["a"]}),
            r"surprise: expected the levels \['a', 'b'\], got \['a'\]",
        ),
        (lambda: AnomalyScore(MAPS, (8, 8))(MAPS | {"b": MAPS["b"][:1]}), "surprise: expected one number of images"),
        (lambda: AnomalyScore(MAPS, (8, 8))(MAPS | {"b": MAPS["b"] / 0}), "b: expected finite numbers"),
        (lambda: pixel_auroc(*some_scores(), resamples=0), "resamples: expected a whole number of at least 1, got 0"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (8, 8, 8)}, "size, smoothing: expected"),
        ({"smoothing": float("nan")}, "size, smoothing: expected"),
        ({"smoothing": float("inf")}, "size, smoothing: expected"),
        ({"normal": {"level1": torch.arange(32).view(2, 4, 4)}}, "level1: expected floating-point values"),
    ],
)
def test_sizes_filters_and_maps_that_are_none_are_named(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        AnomalyScore(**({"normal": {"level1": torch.randn(2, 4, 4)}, "size": (8, 8)} | arguments))


def test_surprises_of_any_scale_are_standardised():
    maps = torch.randn(4, 5, 5)
    small, usual = (AnomalyScore({"a": scale * maps}, (5, 5)) for scale in (1e-8, 1.0))
    torch.testing.assert_close(small({"a": 1e-8 * maps})["a"], usual({"a": maps})["a"])
