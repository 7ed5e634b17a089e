"""Mask R-CNN: from a network's small masks to specimens, with a tiny network of random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.cropped_masks import mask_ious
from napari_diatom.core.errors import ModelError
from napari_diatom.engines import maskrcnn_openvino
from napari_diatom.engines.maskrcnn import MaskRcnnEngine, decode
from napari_diatom.engines.maskrcnn_openvino import OpenVinoMaskRcnn
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.card import WEIGHTS_FILE, ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile

TINY = "maskrcnn/tu-test_resnet/8"


def write_model(folder: Path, **change: Any) -> ModelFolder:
    """Write a model of random weights that is sure of all it proposes."""
    import torch

    from napari_diatom.engines import maskrcnn_net, weights

    torch.manual_seed(0)
    card: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "task": "instances",
        "engine": "maskrcnn",
        "architecture": TINY,
        "classes": ("diatom", "centric"),
        "tile_size": 96,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.2, 0.2, 0.2),
        **change,
    }
    network: Any = maskrcnn_net.build(TINY, 2)
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.bias[:] = torch.tensor([-1.0, 1.0, 0.5])
    folder.mkdir()
    weights.write_weights(network, folder / WEIGHTS_FILE)
    card["sha256"] = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    model = ModelFolder(ModelCard(**card), folder)
    model.card.write(folder)
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def engine(model: ModelFolder) -> OpenVinoMaskRcnn:
    loaded = engines.load(model, "cpu")
    assert isinstance(loaded, OpenVinoMaskRcnn)
    return loaded


@pytest.fixture(scope="module")
def eager(model: ModelFolder) -> MaskRcnnEngine:
    return MaskRcnnEngine(model, "cpu")


def field(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_tiles_of_any_size_give_masks_within_the_tile(engine: OpenVinoMaskRcnn) -> None:
    tiles = [Tile(3, field(96, 96)), Tile(5, field(40, 70)), Tile(6, field(40, 70))]
    found = list(engine.predict(iter(tiles), 0.05))
    assert [index for index, _ in found] == [3, 5, 6]
    assert sum(len(some) for _, some in found) > 0
    for (_, some), tile in zip(found, tiles, strict=True):
        assert some.masks is not None
        for mask in some.masks:
            x0, y0, x1, y1 = mask.bounds
            assert 0 <= x0 < x1 <= tile.pixels.shape[1]
            assert 0 <= y0 < y1 <= tile.pixels.shape[0]
            assert mask.pixels.shape == (y1 - y0, x1 - x0)
    np.testing.assert_array_equal(found[1][1].boxes, found[2][1].boxes)
    assert all((some.scores >= 0.9).all() for _, some in engine.predict(iter(tiles), 0.9))


def test_the_graph_gives_what_torch_gives(engine: OpenVinoMaskRcnn, eager: MaskRcnnEngine) -> None:
    tiles = [Tile(0, field(96, 96)), Tile(1, field(60, 110)), Tile(2, np.full((64, 64, 3), 90, np.uint8))]
    for threshold in (0.05, 0.3, 1.0):
        pairs = zip(engine.predict(tiles, threshold), eager.predict(tiles, threshold), strict=True)
        for (index, some), (same_index, same) in pairs:
            assert index == same_index
            assert len(some) == len(same)
            np.testing.assert_allclose(some.scores, same.scores, atol=1e-4)
            np.testing.assert_array_equal(some.class_ids, same.class_ids)
            assert some.masks is not None
            assert same.masks is not None
            numbers = np.arange(len(same))
            assert (mask_ious(some.masks, same.masks, numbers, numbers) > 0.95).all()


def test_any_number_of_threads_gives_the_same_bytes(engine: OpenVinoMaskRcnn, model: ModelFolder) -> None:
    tiles = [Tile(k, field(96 + 10 * (k % 2), 96)) for k in range(5)]
    alone = list(OpenVinoMaskRcnn(model, 1).predict(tiles, 0.1))
    together = list(OpenVinoMaskRcnn(model, 3).predict(tiles, 0.1))
    for (_, some), (_, same) in zip(alone, together, strict=True):
        np.testing.assert_array_equal(some.scores, same.scores)
        np.testing.assert_array_equal(some.boxes, same.boxes)
    assert sum(len(some) for _, some in alone) > 0


def test_what_openvino_cannot_run_runs_in_torch(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(model: ModelFolder) -> Path:
        raise ModelError("an operation is missing")

    monkeypatch.setattr(maskrcnn_openvino, "converted", refused)
    assert isinstance(engines.load(model, "cpu"), MaskRcnnEngine)


class Watched:
    """Stands for a network: keeps what it is shown and finds nothing."""

    def __init__(self) -> None:
        self.roi_heads = SimpleNamespace(score_thresh=0.05)
        self.seen: list[Any] = []

    def __call__(self, images: list[Any]) -> list[Any]:
        self.seen += images
        empty = {"boxes": (0, 4), "labels": (0,), "scores": (0,), "masks": (0, 1, 28, 28)}
        return [{name: images[0].new_zeros(shape) for name, shape in empty.items()} for _ in images]


def test_standardization_is_the_cards(eager: MaskRcnnEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Watched()
    monkeypatch.setattr(eager, "_network", network)
    found = list(eager.predict(iter([Tile(7, np.full((32, 48, 3), 255, np.uint8))]), 0.3))
    assert [(index, len(some)) for index, some in found] == [(7, 0)]
    assert network.seen[0].shape == (3, 32, 48)
    np.testing.assert_allclose(network.seen[0].numpy(), 2.5, rtol=1e-5)
    assert network.roi_heads.score_thresh == 0.3


def test_an_image_goes_all_the_way(engine: OpenVinoMaskRcnn) -> None:
    image = from_array(field(90, 120), "noise")
    found = analyse(image, engine, AnalysisOptions(threshold=0.3)).kept
    assert found.masks is not None
    for mask in found.masks:
        x0, y0, x1, y1 = mask.bounds
        assert 0 <= x0 < x1 <= 120
        assert 0 <= y0 < y1 <= 90


def square(m: int = 28) -> np.ndarray:
    return np.ones((1, m, m), dtype=np.float32)


def diagonal(rising: bool, m: int = 28) -> np.ndarray:
    y, x = np.mgrid[:m, :m]
    return (np.abs(x - (m - 1 - y if rising else y)) <= 2).astype(np.float32)[None]


def test_crossed_needles_in_one_upright_box_are_two_and_copies_are_one() -> None:
    output = {
        "boxes": np.array([[10, 10, 110, 110], [10, 10, 110, 110], [11, 10, 111, 110], [200, 20, 260, 40]], np.float32),
        "labels": np.array([1, 1, 1, 2]),
        "scores": np.array([0.9, 0.8, 0.7, 0.6], np.float32),
        "masks": np.stack([diagonal(True), diagonal(False), diagonal(False), square()]),
    }
    found = decode(output, ("a", "b"))
    assert found.scores == pytest.approx([0.9, 0.8, 0.6])
    assert found.class_ids.tolist() == [0, 0, 1]
    assert np.degrees(found.boxes[:2, 4]) == pytest.approx([-45, 45], abs=2)
    assert found.boxes[2] == pytest.approx([230, 30, 60, 20, 0])
    assert found.masks is not None
    assert found.masks[2].area == 1200


def test_nothing_and_nonsense() -> None:
    none = {
        name: np.zeros((0, *rest), np.float32)
        for name, rest in {"boxes": (4,), "labels": (), "scores": (), "masks": (1, 28, 28)}.items()
    }
    assert decode(none, ("a",)).masks == ()
    bad = {
        "boxes": np.array([[np.nan, 0, 5, 5], [3, 3, 3.5, 9], [0, 0, 30, 30]], np.float32),
        "labels": np.ones(3),
        "scores": np.ones(3, np.float32),
        "masks": np.stack([square(), square(), 0 * square()]),
    }
    assert len(decode(bad, ("a",))) == 0


def test_cards_that_do_not_fit(tmp_path: Path) -> None:
    grey = write_model(tmp_path / "grey", mean=(0.5,), std=(0.2,))
    with pytest.raises(ModelError, match="1 channels"):
        engines.load(grey, "cpu")
    other = write_model(tmp_path / "other", classes=("diatom",))
    with pytest.raises(ModelError, match="weights"):
        engines.load(other, "cpu")
    flat = write_model(tmp_path / "flat", std=(0.2, 0.0, 0.2))
    with pytest.raises(ModelError, match="above 0"):
        engines.load(flat, "cpu")


def test_fine_masks_are_made_of_the_finest_level_with_the_same_weights() -> None:
    import torch

    from napari_diatom.engines import maskrcnn_net

    usual: Any = maskrcnn_net.build(TINY, 1)
    fine: Any = maskrcnn_net.build(f"{TINY}/fine", 1)
    fine.load_state_dict(usual.state_dict())
    levels = {str(level): torch.rand(1, 8, 128 >> level, 128 >> level) for level in range(4)}
    # A needle askew: its upright box is large.
    boxes, size = [torch.tensor([[20.0, 20.0, 500.0, 500.0]])], [(512, 512)]
    pooled = [network.roi_heads.mask_roi_pool(levels, boxes, size) for network in (usual, fine)]
    levels["0"] = torch.zeros_like(levels["0"])
    after = [network.roi_heads.mask_roi_pool(levels, boxes, size) for network in (usual, fine)]
    assert torch.equal(pooled[0], after[0])
    assert after[1].abs().max() == 0 < pooled[1].abs().max()
