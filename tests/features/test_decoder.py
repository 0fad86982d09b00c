"""The decoder: any set of levels, coarse to fine, local to the last bit, and fitted to what each set tells."""

import math

import pytest
import torch

from hvae_ref.data import Examples
from hvae_ref.features.decoder.decoder_fit import decode, fit_decoder
from hvae_ref.features.decoder.decoder_step import DecoderStep, decoder_loss, level_sets
from hvae_ref.features.decoder.feature_decoder import FeatureDecoder
from hvae_ref.objectives import TrainingState
from hvae_ref.training import NonFiniteLoss, TrainConfig, fit

DIMS = {"level1": 3, "level2": 4, "level3": 2}
SIZE = (64, 48)


def random_decoder(dtype=torch.float64, **arguments):
    """With stand-ins away from zero, where absent and zero features could not be told apart."""
    torch.manual_seed(3)
    decoder = FeatureDecoder(DIMS, width=8, **arguments).to(dtype)
    with torch.no_grad():
        for vector in decoder.absent.values():
            vector.normal_()
    return decoder


def random_maps(decoder, size=SIZE, n=2, dtype=torch.float64):
    return {
        level: torch.randn(n, decoder.dims[level], *shape, dtype=dtype) for level, shape in decoder.shapes(size).items()
    }


@pytest.mark.parametrize("levels", level_sets(tuple(DIMS)))
def test_every_set_of_levels_gives_images(levels):
    decoder = random_decoder()
    maps = random_maps(decoder)
    images = decoder({level: maps[level] for level in levels}, SIZE)
    assert images.shape == (2, 3, *SIZE) and images.min() > 0 and images.max() < 1
    gone = {level: maps[level] for level in levels} | {levels[0]: maps[levels[0]] + 1}
    assert (decoder(gone, SIZE) - images).abs().max() > 1e-4


def test_an_absent_level_is_a_vector_that_says_nothing_of_place():
    decoder = random_decoder()
    maps = random_maps(decoder)
    half = decoder({"level1": maps["level1"]})
    # What enters at a level is the same vector at every position, whatever the image.
    with torch.no_grad():
        for level in ("level2", "level3"):
            decoder.enter[level].weight.zero_()
            decoder.enter[level].bias.copy_(decoder.absent[level])
    torch.testing.assert_close(decoder(maps), half)


@pytest.mark.parametrize("levels", level_sets(tuple(DIMS)))
def test_progressive_images_are_those_of_the_coarse_levels_alone(levels):
    decoder = random_decoder()
    maps = {level: f for level, f in random_maps(decoder).items() if level in levels}
    images = decoder(maps, SIZE, progressive=True)
    assert list(images) == [level for level in reversed(DIMS) if level in levels]
    for number, image in enumerate(images.values(), start=1):
        coarse = dict(list(reversed(maps.items()))[:number])
        torch.testing.assert_close(image, decoder(coarse, SIZE))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (33, 17), (32, 70)])
@pytest.mark.parametrize("levels", [("level1",), ("level2", "level3"), tuple(DIMS)])
def test_any_size_of_image(size, levels):
    decoder = random_decoder(channels=1)
    maps = {level: f for level, f in random_maps(decoder, size, n=1).items() if level in levels}
    assert decoder(maps, size).shape == (1, 1, *size)


def test_the_size_follows_from_the_finest_map():
    decoder = random_decoder()
    maps = random_maps(decoder)
    assert decoder(maps).shape[2:] == SIZE
    assert decoder({"level3": maps["level3"]}).shape[2:] == SIZE
    assert decoder({level: f[:0] for level, f in maps.items()}).shape == (0, 3, *SIZE)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_other_strides(stride):
    decoder = random_decoder(stride=stride)
    assert decoder.strides == {"level1": stride, "level2": 2 * stride, "level3": 4 * stride}
    assert decoder(random_maps(decoder, (32, 16)), (32, 16)).shape == (2, 3, 32, 16)


@pytest.mark.parametrize("level", DIMS)
@pytest.mark.parametrize("place", [(0, 0), (1, 2), (-1, -1)])
def test_a_position_reaches_the_pixels_that_influence_says_and_no_other(level, place):
    size = (96, 112)
    decoder = random_decoder()
    maps = random_maps(decoder, size, n=1)
    changed = torch.zeros(maps[level].shape[2:], dtype=torch.bool)
    changed[place] = True
    other = maps[level].clone()
    other[0, :, changed] += 3 * torch.randn(decoder.dims[level], 1, dtype=torch.float64)
    with torch.no_grad():
        difference = (decoder(maps | {level: other}) - decoder(maps)).abs().amax((0, 1))
    reach = decoder.influence({level: changed}, size)
    assert (difference[~reach] < 1e-9).all() and (~reach).any()
    # Generic weights leave nothing within reach unchanged: the bound is the receptive field, not an upper estimate.
    assert (difference[reach] > 0).all()
    row, column = (edge % n for edge, n in zip(place, changed.shape, strict=True))
    s = decoder.strides[level]
    assert reach[row * s : (row + 1) * s, column * s : (column + 1) * s].all()


def test_influence_of_several_levels_is_their_union():
    decoder = random_decoder()
    shapes = decoder.shapes(SIZE)
    masks = {level: torch.zeros(shape, dtype=torch.bool) for level, shape in shapes.items()}
    masks["level1"][0, 0] = masks["level3"][-1, -1] = True
    single = [decoder.influence({level: masks[level]}, SIZE) for level in ("level1", "level3")]
    assert torch.equal(decoder.influence(masks, SIZE), single[0] | single[1])
    assert not decoder.influence({}, SIZE).any()
    with pytest.raises(ValueError, match=r"changed: expected booleans \(16, 12\) for level1"):
        decoder.influence({"level1": masks["level3"]}, SIZE)


def test_no_image_of_a_batch_sees_another():
    decoder = random_decoder()
    maps = random_maps(decoder, n=3)
    for number in range(3):
        alone = decoder({level: f[number : number + 1] for level, f in maps.items()})
        torch.testing.assert_close(decoder(maps)[number : number + 1], alone)


def test_every_parameter_gets_a_finite_gradient():
    decoder = random_decoder()
    maps = random_maps(decoder)
    images = [decoder({level: maps[level] for level in levels}, SIZE) for levels in level_sets(tuple(DIMS))]
    torch.stack(images).square().sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def test_saved_and_loaded_it_is_the_same(tmp_path):
    decoder = random_decoder()
    torch.save(decoder.state_dict(), tmp_path / "decoder.pt")
    fresh = FeatureDecoder(DIMS, width=8).double()
    fresh.load_state_dict(torch.load(tmp_path / "decoder.pt", weights_only=True))
    maps = random_maps(decoder)
    assert all(torch.equal(value, decoder.state_dict()[name]) for name, value in fresh.state_dict().items())
    torch.testing.assert_close(fresh(maps), decoder(maps))


def test_devices_and_half_precision(device):
    decoder = random_decoder(torch.float32).to(device)
    maps = {level: f.to(device) for level, f in random_maps(decoder, dtype=torch.float32).items()}
    images = decoder(maps)
    assert images.device.type == device.type
    half = decoder({level: f.half() for level, f in maps.items()})
    assert half.dtype == torch.float32 and (half - images).abs().max() < 0.01


def test_constant_features_give_finite_images():
    decoder = random_decoder()
    maps = {level: torch.zeros_like(f) for level, f in random_maps(decoder).items()}
    assert decoder(maps).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level9": torch.zeros(2, 3, 16, 12).double()}, "features: expected one or more of the levels"),
        ({"level1": torch.zeros(2, 5, 16, 12).double()}, r"level1: expected shape \(B, 3, H, W\)"),
        ({"level1": torch.zeros(2, 3, 16).double()}, "level1: expected shape"),
        ({"level1": torch.zeros(1, 3, 16, 12).double()}, "one batch size for all levels, got {'level1': 1"),
        ({"level1": torch.zeros(2, 3, 16, 12)}, "level1: expected dtype torch.float64"),
        ({"level1": torch.zeros(2, 3, 16, 12).byte()}, "level1: expected dtype torch.float64"),
        ({"level1": torch.full((2, 3, 16, 12), math.nan).double()}, "level1: expected finite numbers"),
        (
            {"level2": torch.zeros(2, 4, 9, 6).double()},
            r"level2: expected a map of \(8, 6\) for an image of \(64, 48\)",
        ),
    ],
)
def test_features_that_do_not_fit_are_named(change, message, unchecked):
    decoder = random_decoder()
    with pytest.raises(ValueError, match=message):
        decoder(random_maps(decoder) | change)


def test_no_level_and_sizes_that_do_not_fit():
    decoder = random_decoder()
    with pytest.raises(ValueError, match="features: expected one or more of the levels"):
        decoder({})
    with pytest.raises(ValueError, match="size: expected height and width of at least one pixel"):
        decoder(random_maps(decoder), (0, 48))
    with pytest.raises(ValueError, match=r"level1: expected a map of \(8, 8\)"):
        decoder(random_maps(decoder), (32, 32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dims": {}}, "dims: expected at least one level"),
        ({"dims": {"a": 0}}, "a: expected at least 1, got 0"),
        ({"dims": {"a": 1}, "channels": 0}, "channels: expected at least 1"),
        ({"dims": {"a": 1}, "width": 6}, "width: expected a multiple of 4, got 6"),
        ({"dims": {"a": 1}, "stride": 3}, "stride: expected a power of two, got 3"),
    ],
)
def test_sizes_of_the_decoder_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureDecoder(**arguments)


def test_the_loss_is_what_it_says():
    images = torch.zeros(2, 1, 2, 3)
    decoded = images.clone()
    decoded[1, 0, 0, 1] = 0.6
    # One pixel of six is off; of four differences to the right two are, and of three downwards one.
    expected = 0.6 / 6 + 0.5 * (0.6 / 3 + 2 * 0.6 / 4)
    torch.testing.assert_close(decoder_loss(decoded, images, edges=0.5), torch.tensor([0.0, expected]))
    single = decoder_loss(torch.full((1, 1, 1, 1), 0.25), torch.zeros(1, 1, 1, 1))
    torch.testing.assert_close(single, torch.tensor([0.25]))


def test_all_sets_of_levels():
    sets = level_sets(("a", "b", "c"))
    assert len(sets) == len(set(sets)) == 7 and sets[-1] == ("a", "b", "c")


def told_apart(n, seed):
    """Images whose brightness only the coarse map knows, and whose stripes only the fine one does."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 1, 2, 2, generator=generator)
    fine = torch.randn(n, 1, 4, 4, generator=generator).clamp(-1.5, 1.5)
    light = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3).mul(0.15).clamp(-0.25, 0.25)
    stripes = fine.repeat_interleave(4, 2).repeat_interleave(4, 3) * torch.tensor([0.15, -0.15]).repeat(8)
    return {"fine": fine, "coarse": coarse}, 0.5 + light + stripes


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    decoder = FeatureDecoder({"fine": 1, "coarse": 1}, channels=1, width=16)
    history = fit_decoder(decoder, *told_apart(256, 0), told_apart(32, 1), epochs=19, learning_rate=1e-2)
    return decoder, history


def test_a_fit_gives_back_what_each_level_knows_and_no_more(fitted):
    decoder, history = fitted
    features, images = told_apart(64, 2)
    half = {level: decode(decoder, {level: f}) for level, f in features.items()}
    light = images.unflatten(-1, (8, 2)).mean(-1, keepdim=True).expand(-1, -1, -1, -1, 2).flatten(-2)

    def off(decoded, wanted):
        return (decoded - wanted).abs().mean().item()

    assert off(decode(decoder, features), images) < 0.03
    assert off(half["coarse"], light) < 0.05
    assert off(half["fine"], 0.5 + images - light) < 0.05
    for part in ("train", "validation"):
        errors = history.curve(f"{part}.terms.error")
        assert len(errors) == 19 and errors[-1] < errors[0]


def test_a_fit_repeats_and_leaves_the_random_state_alone():
    features, images = told_apart(8, 0)
    weights = []
    for _ in range(2):
        torch.manual_seed(1)
        decoder = FeatureDecoder({"fine": 1, "coarse": 1}, width=4)
        state = torch.random.get_rng_state()
        fit_decoder(decoder, features, images, epochs=3, batch_size=4, seed=5)
        assert torch.equal(torch.random.get_rng_state(), state)
        weights.append(decoder.state_dict())
    torch.testing.assert_close(weights[0], weights[1])


def test_half_of_the_steps_take_all_levels_and_each_set_has_its_share():
    decoder = FeatureDecoder({"fine": 1, "coarse": 1}, width=4)
    features, images = told_apart(2, 0)
    batch, state = Examples(images, targets=features), TrainingState()
    losses = {
        chosen: decoder_loss(
            decoder({level: features[level] for level in chosen}, (16, 16)), images.expand(-1, 3, -1, -1)
        )
        for chosen in level_sets(decoder.levels)
    }
    counts = dict.fromkeys(losses, 0)
    for _ in range(600):
        found = DecoderStep()(decoder, batch, state)
        (chosen,) = [levels for levels, loss in losses.items() if torch.allclose(loss, found.terms["error"])]
        counts[chosen] += 1
        assert torch.allclose(found.loss, losses[chosen].mean())
    expected = {("fine",): 1 / 6, ("coarse",): 1 / 6, ("fine", "coarse"): 2 / 3}
    for levels, share in expected.items():
        assert abs(counts[levels] / 600 - share) < 4 * (share * (1 - share) / 600) ** 0.5
    everything = DecoderStep().evaluate(decoder, batch, state)
    assert torch.allclose(everything["loss"], losses["fine", "coarse"])


@pytest.mark.usefixtures("unchecked")
def test_batches_that_are_not_images_with_their_maps_are_named():
    decoder = FeatureDecoder({"fine": 1, "coarse": 1}, width=4)
    features, images = told_apart(2, 0)
    for data in (images, features, Examples(images, targets={"other": images})):
        with pytest.raises(ValueError, match="batch: expected images x with targets"):
            fit(decoder, data, step=DecoderStep(), config=TrainConfig(epochs=4, progress=False))


def test_decoding_in_batches_is_decoding():
    decoder = random_decoder()
    maps = random_maps(decoder, n=5)
    torch.testing.assert_close(decode(decoder, maps, batch_size=2), decoder(maps).detach())
    with pytest.raises(ValueError, match="batch_size: expected at least 1"):
        decode(decoder, maps, batch_size=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(4, 1, 16, 16, dtype=torch.uint8)}, "expected floating-point values .* divide by 255"),
        ({"images": torch.zeros(4, 4, 16, 16)}, r"expected at least one image \(N, 3, H, W\) or \(N, 1, H, W\)"),
        ({"images": torch.zeros(4, 16, 16)}, "expected at least one image"),
        ({"images": torch.zeros(0, 1, 16, 16)}, "expected at least one image"),
        ({"images": torch.full((4, 1, 16, 16), 255.0)}, r"images: expected finite values in \[0, 1\]"),
        ({"images": torch.full((4, 1, 16, 16), math.nan)}, r"images: expected finite values in \[0, 1\]"),
        ({"images": torch.zeros(4, 1, 32, 16)}, r"fine: expected maps \(4, 1, 8, 4\) for these images"),
        ({"features": {"fine": torch.zeros(4, 1, 4, 4)}}, "features: expected the levels"),
        ({"epochs": 0}, "epochs: expected a whole number ≥ 1"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number > 0"),
        ({"edges": -1.0}, "edges: expected a number of at least 0, got -1.0"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message, unchecked):
    features, images = told_apart(4, 0)
    decoder = FeatureDecoder({"fine": 1, "coarse": 1}, width=4)
    arguments = {"features": features, "images": images, "epochs": 1} | change
    with pytest.raises(ValueError, match=message):
        fit_decoder(decoder, **arguments)


def test_features_that_are_not_finite_and_losses_that_blow_up_are_named():
    features, images = told_apart(4, 0)
    decoder = FeatureDecoder({"fine": 1, "coarse": 1}, width=4)
    with pytest.raises(ValueError, match="coarse: expected finite numbers"):
        fit_decoder(decoder, features | {"coarse": torch.full((4, 1, 2, 2), math.inf)}, images, epochs=1)
    with torch.no_grad():
        decoder.head.bias.fill_(math.nan)
    with pytest.raises(NonFiniteLoss):
        fit_decoder(decoder, features, images, epochs=1)


def test_a_change_of_an_unknown_level_is_named():
    with pytest.raises(ValueError, match=r"changed: expected levels among \['level1'\], got \['level9'\]"):
        FeatureDecoder({"level1": 2}, width=8).influence({"level9": torch.ones(2, 2).bool()}, (8, 8))
