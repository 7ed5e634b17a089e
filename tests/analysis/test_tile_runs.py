"""Empty tiles are not given to a network, and nothing else changes by that."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from PIL import Image

from helpers.fakes import BlobEngine, ShadeEngine, card, loader, map_card, model_folder
from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions, analyse
from napari_diatom.cli import app as cli
from napari_diatom.cli.count import run_count
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import from_array
from napari_diatom.tiling.map_blending import Blender
from napari_diatom.tiling.tiles import Window

TILE = 256


def sparse_slide() -> np.ndarray:
    """Return a noisy field of 1,000 x 800 px with two bars in its left half, one across the seam of two tiles."""
    rng = np.random.default_rng(3)
    field = 12 + 2 * rng.standard_normal((800, 1000))
    field[100:112, 60:130] = 220
    field[150:230, 240:252] = 200
    return np.clip(np.rint(field), 0, 255).astype(np.uint8)


def found(engine, **options) -> Analysis:
    return analyse(from_array(sparse_slide(), "field", 0.1), engine, AnalysisOptions(**options))


def test_a_network_is_spared_empty_tiles_and_finds_the_same():
    engine, every = BlobEngine(card(TILE)), BlobEngine(card(TILE))
    spared, whole = found(engine), found(every, all_tiles=True)
    assert (whole.tiles, whole.tiles_empty) == (every.tiles, 0)
    assert spared.tiles == whole.tiles
    assert engine.tiles == spared.tiles - spared.tiles_empty
    assert spared.tiles_empty >= spared.tiles / 3
    assert len(spared.kept) == 2
    for name in ("boxes", "scores", "class_ids", "cut"):
        np.testing.assert_array_equal(getattr(spared.detections, name), getattr(whole.detections, name))


def test_a_map_is_the_same_without_empty_tiles():
    engine, every = ShadeEngine(map_card(TILE)), ShadeEngine(map_card(TILE))
    options = {"keep_probability": True, "map_scales": (1.0, 0.5)}
    spared, whole = found(engine, **options), found(every, all_tiles=True, **options)
    assert spared.tiles == whole.tiles == every.tiles > engine.tiles
    np.testing.assert_array_equal(spared.class_map, whole.class_map)
    np.testing.assert_array_equal(spared.detections.boxes, whole.detections.boxes)
    # This engine is never quite sure of the background; an empty tile is nothing else.
    assert (spared.probability.astype(int) <= whole.probability).all()
    assert spared.probability.sum(dtype=int) < whole.probability.sum(dtype=int)


def test_progress_counts_empty_tiles_and_a_stop_is_heeded_among_them():
    steps: list[Progress] = []
    field = from_array(np.full((900, 1200), 200, np.uint8), "empty")
    result = analyse(field, BlobEngine(card(TILE)), monitor=ProgressMonitor(steps.append))
    # At a quarter, the image is too small for a proof.
    assert result.tiles_empty >= result.tiles - 4
    assert [step.done for step in steps] == list(range(result.tiles + 1))
    seen: list[Progress] = []
    engine = BlobEngine(card(TILE))
    with pytest.raises(Stopped):
        analyse(field, engine, monitor=ProgressMonitor(seen.append, lambda: len(seen) > 3))
    assert engine.closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]


def test_an_empty_tile_is_background_where_maps_are_blended():
    blended = Blender(3, 64, 160, 96, 0.4)
    sure = np.zeros((3, 64, 96), np.float32)
    sure[2] = 1
    blended.add(Window(0, 0, 96, 64), sure)
    blended.add(Window(64, 0, 160, 64), None)
    planes = blended.planes()
    assert (planes[2, :, :64] == 255).all()
    assert (planes[0, :, 96:] == 255).all()
    assert (planes.sum(axis=0, dtype=int) >= 254).all()


def test_run_json_has_the_share_and_all_tiles_are_searched_on_demand(tmp_path, capsys):
    model, folder = model_folder(tmp_path / "model", TILE), tmp_path / "site"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(sparse_slide()).save(folder / name)

    def run(out: str, *options: str) -> int:
        given = ["count", str(folder), "-o", str(tmp_path / out), "--model", str(model), "--no-overlays", *options]
        parsed = cli.parser().parse_args(given)
        parsed.run = lambda arguments: run_count(arguments, loader(BlobEngine(card(TILE))))
        return cli.execute(parsed)

    def record(out: str) -> dict:
        return json.loads((tmp_path / out / "run.json").read_text(encoding="utf-8"))

    assert run("spared") == run("every", "--all-tiles") == 0
    spared, every = record("spared"), record("every")
    assert spared["options"]["all_tiles"] is False
    assert every["options"]["all_tiles"] is True
    assert (every["tiles"], every["tiles_empty"]) == (spared["tiles"], 0)
    assert 0 < spared["tiles_empty"] == sum(image["tiles_empty"] for image in spared["images"])
    specimens = [(tmp_path / out / "specimens.csv").read_bytes() for out in ("spared", "every")]
    assert specimens[0] == specimens[1]
    capsys.readouterr()
    assert run("spared", "--all-tiles", "--resume") == 2
    assert "all tiles was False, is True" in capsys.readouterr().err
    for shard in ("1/2", "2/2"):
        assert run("shards", "--shard", shard) == 0
    assert cli.main(["count", str(tmp_path / "shards"), "--merge"]) == 0
    merged = record("shards")
    assert [merged[key] for key in ("tiles", "tiles_empty")] == [spared[key] for key in ("tiles", "tiles_empty")]
