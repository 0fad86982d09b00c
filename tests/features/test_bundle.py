"""A bundle in a file: small, whole, and what it was before; damaged and foreign files are told apart."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hvae_ref.features import (
    BundleError,
    FeatureBundle,
    FeatureDecoder,
    FeaturePyramid,
    HierarchicalLatentDensity,
    Reduction,
    SpatialGraphDensity,
    load_bundle,
    save_bundle,
)

DIMS = {"level1": 2, "level2": 3, "level3": 2, "level4": 2}


@pytest.fixture(scope="module")
def bundle():
    torch.manual_seed(0)
    pyramid = FeaturePyramid("efficientnet_lite0")
    images = torch.rand(2, 3, 64, 64)
    densities = {
        "chain": HierarchicalLatentDensity(DIMS, {"level1": 3, "level2": 2, "level3": 2, "level4": 1}, "finer", 2, 8),
        "alone": HierarchicalLatentDensity(DIMS, 2, None),
        "graph": SpatialGraphDensity(DIMS, 2, width=8, layers=1, colours=4, min_scale=0.01),
    }
    for density in densities.values():
        for parameter in density.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    reduction = Reduction(DIMS, whiten=True).fit(pyramid(images))
    return FeatureBundle(
        "efficientnet_lite0", reduction, FeatureDecoder(DIMS, width=8), densities, {"command": "python x.py"}
    )


@pytest.fixture
def path(bundle, tmp_path):
    save_bundle(tmp_path / "folder" / "bundle.safetensors", bundle)
    return tmp_path / "folder" / "bundle.safetensors"


def test_what_is_read_is_what_was_written_but_for_rounding(bundle, path):
    again = load_bundle(path)
    assert (again.backbone, again.about, list(again.densities)) == (
        bundle.backbone,
        bundle.about,
        list(bundle.densities),
    )
    images = torch.rand(3, 1, 40, 64)
    features = bundle.features(images, batch_size=2)
    for level, f in again.features(images).items():
        torch.testing.assert_close(f, features[level])
    torch.testing.assert_close(again.decoder(features, (40, 64)), bundle.decoder(features, (40, 64)), atol=2e-3, rtol=0)
    for name, density in bundle.densities.items():
        assert type(again.densities[name]) is type(density)
        for level, log_p in density.log_prob(features).items():
            torch.testing.assert_close(again.densities[name].log_prob(features)[level], log_p, atol=0.3, rtol=0.02)
    assert not any(p.requires_grad for p in again.decoder.parameters())
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing temporary is left"


def test_a_second_writing_changes_nothing(path, tmp_path):
    save_bundle(tmp_path / "second.safetensors", load_bundle(path))
    assert (tmp_path / "second.safetensors").read_bytes() == path.read_bytes()


def test_missing_truncated_and_foreign_files_are_named(path, tmp_path):
    with pytest.raises(BundleError, match="no such file"):
        load_bundle(tmp_path / "other.safetensors")
    content = path.read_bytes()
    for length in (0, 7, 1000, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(BundleError, match="may be truncated"):
            load_bundle(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(BundleError, match="no bundle that save_bundle wrote"):
        load_bundle(path)
    save_file({"x": torch.zeros(1)}, path, {"hvae_ref.features": json.dumps({"version": 9})})
    with pytest.raises(BundleError, match="version 9 of the format"):
        load_bundle(path)


def test_parts_that_do_not_fit_are_named(bundle, path):
    header = {
        "version": 2,
        "backbone": "x",
        "reduction": {"dims": DIMS, "whiten": True},
        "decoder": {"dims": DIMS, "width": 8},
    }
    for parts in (header, header | {"densities": {}, "about": {}}, header | {"decoder": {"wide": 1}}):
        save_file({"decoder/head.bias": torch.zeros(3)}, path, {"hvae_ref.features": json.dumps(parts)})
        with pytest.raises(BundleError, match="its parts do not fit this package"):
            load_bundle(path)


def test_what_cannot_be_written_is_refused_and_the_old_file_stays(bundle, path):
    before = path.read_bytes()
    decoder = FeatureDecoder(DIMS, width=8)
    with torch.no_grad():
        decoder.head.bias.fill_(1e6)
    with pytest.raises(BundleError, match="decoder.head.bias: too large for half precision"):
        save_bundle(path, FeatureBundle("efficientnet_lite0", bundle.reduction, decoder))
    assert path.read_bytes() == before


KEY = "hvae_ref.features"


def written_again(path, change=None, without="nothing"):
    """The file with another header, or without the weights whose names begin so."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata()[KEY]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors = {name: value for name, value in tensors.items() if not name.startswith(without)}
    save_file(tensors, path, {KEY: header if change is None else change(header)})
    return path


@pytest.mark.parametrize("header", ["{", "[]", "3"])
def test_a_damaged_header_is_named(path, header):
    with pytest.raises(BundleError, match="header is damaged"):
        load_bundle(written_again(path, lambda _: header))


def test_densities_that_are_no_table_are_named(path):
    with pytest.raises(BundleError, match="its parts do not fit this package"):
        load_bundle(written_again(path, lambda header: json.dumps(json.loads(header) | {"densities": [1]})))


@pytest.mark.parametrize("without", ["reduction/", "reduction/components.level2"])
def test_a_level_without_directions_is_named(path, without):
    with pytest.raises(BundleError, match="no directions of .*level2"):
        load_bundle(written_again(path, without=without))


def test_other_densities_and_notes_that_json_does_not_hold_are_refused(bundle, path, unchecked):
    before = path.read_bytes()
    parts = bundle.backbone, bundle.reduction, bundle.decoder
    with pytest.raises(BundleError, match="densities: expected chains and graphs, got a FeatureDecoder"):
        save_bundle(path, FeatureBundle(*parts, {"no": bundle.decoder}))
    with pytest.raises(BundleError, match="about: expected what JSON can hold"):
        save_bundle(path, FeatureBundle(*parts, {}, {"mean": torch.ones(1)}))
    assert path.read_bytes() == before


def test_an_unknown_backbone_is_named(bundle, path):
    with safe_open(path, framework="pt") as file:
        header, tensors = json.loads(file.metadata()["hvae_ref.features"]), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"hvae_ref.features": json.dumps(header | {"backbone": "resnet51"})})
    with pytest.raises(BundleError, match="unknown backbone 'resnet51'"):
        load_bundle(path)
