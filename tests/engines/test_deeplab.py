"""The DeepLabV3+ engine: both backends compute what the network does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_diatom import engines
from napari_diatom.core.errors import ModelError
from napari_diatom.engines import map_nets
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.maps import pad
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.protocols import MapEngine
from napari_diatom.engines.weights import read_weights
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile

ARCHITECTURE = "deeplabv3plus/resnet18/32"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    torch.manual_seed(0)
    return write_model(
        tmp_path_factory.mktemp("models") / "maps",
        map_nets.build(ARCHITECTURE, 2),
        ModelFacts(
            name="maps",
            version="0",
            task="semantic",
            engine="deeplab",
            architecture=ARCHITECTURE,
            classes=("round", "long"),
            tile_size=128,
            mean=MEAN,
            std=STD,
        ),
    )


@pytest.fixture
def tiles() -> list[Tile]:
    rng = np.random.default_rng(0)
    shapes = [(128, 128), (128, 128), (70, 128), (1, 5), (128, 128)]
    return [Tile(index, rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for index, (h, w) in enumerate(shapes)]


def test_both_backends_compute_the_probabilities_of_the_network(model: ModelFolder, tiles: list[Tile]) -> None:
    network = map_nets.build(ARCHITECTURE, 2).eval()
    read_weights(network, model.weights)
    pixels = pad(tiles[0].pixels)
    standard = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    with torch.inference_mode():
        logits = network(torch.from_numpy(standard[None].transpose(0, 3, 1, 2).astype(np.float32)))
        expected = logits.softmax(dim=1)[0].numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(next(TorchBackend(model, "cpu").run([pixels])), expected, atol=1e-5)
    np.testing.assert_allclose(next(engines.load(model, "cpu").backend.run([pixels])), expected, atol=1e-4)


def test_maps_come_in_order_and_as_large_as_their_tiles(model: ModelFolder, tiles: list[Tile]) -> None:
    engine = engines.load(model, "cpu")
    assert isinstance(engine, MapEngine)
    assert engine.device == "cpu"
    maps = list(engine.predict_maps(iter(tiles)))
    assert [index for index, _ in maps] == [0, 1, 2, 3, 4]
    for tile, (_, found) in zip(tiles, maps, strict=True):
        assert found.shape == (3, *tile.pixels.shape[:2])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_a_pattern_moved_by_the_stride_gives_a_map_moved_by_it() -> None:
    # Only the pooled context, which is the same here, and the padding at the edges may tell places apart.
    torch.manual_seed(0)
    network = map_nets.build(ARCHITECTURE, 1).eval()
    pattern = torch.rand(1, 3, 64, 64).tile(1, 1, 12, 12)
    with torch.inference_mode():
        found = network(pattern)[0, :, 320:448, 320:448]
    # The widest of the atrous kernels reaches the edges: what is left of their influence is small.
    assert (found[:, :64] - found[:, 64:]).abs().max() < 0.1 * found.std()


def test_small_and_odd_tiles_are_padded_by_reflection() -> None:
    pixels = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)
    padded = pad(pixels)
    assert padded.shape == (64, 64, 3)
    np.testing.assert_array_equal(padded[:5, :3], pixels)
    np.testing.assert_array_equal(padded[5:10, :3], pixels[::-1])


def test_models_that_do_not_fit_are_refused(model: ModelFolder, tmp_path: Path) -> None:
    def changed(**entries: object) -> ModelFolder:
        return replace(model, card=model.card.model_copy(update=entries))

    with pytest.raises(ModelError, match="images of 1 channels"):
        engines.load(changed(mean=(0.5,), std=(0.2,)), "cpu")
    with pytest.raises(ModelError, match="images of 4 channels"):
        engines.load(changed(std=(0.2,) * 4), "cpu")
    with pytest.raises(ModelError, match="not above 0"):
        engines.load(changed(std=(0.2, 0.0, 0.2)), "cpu")
    for entries, words in (
        ({"architecture": "deeplabv3plus/resnet81/32"}, "did you mean resnet18"),
        ({"classes": ("one", "two", "three")}, r"does not hold this network's weights: .*\w\.$"),
    ):
        other = changed(**entries)
        with pytest.raises(ModelError, match=words):
            TorchBackend(other, "cpu")
    other = changed(classes=("one", "two", "three"))
    other.card.write(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(model.weights.read_bytes())
    with pytest.raises(ModelError, match=r"could not be prepared for this processor: .*weights"):
        engines.load(ModelFolder(other.card, tmp_path), "cpu")
