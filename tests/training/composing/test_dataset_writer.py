"""Sets of composed fields on disk, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diatom_training.composing.__main__ import main
from diatom_training.composing.compose import compose_field
from diatom_training.composing.dataset_writer import RECORD, compose_set
from diatom_training.composing.material import Material
from diatom_training.composing.options import ComposeOptions
from diatom_training.data.crops import random_crop, read_rgb
from helpers.composed import atlas_image, even_material, two_slides
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor

SMALL = ComposeOptions(size=128, specimens=(1, 2), empty_share=0, blending="feather", length_px=(30, 70))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_set_is_ready_to_train_on(tmp_path: Path) -> None:
    seen: list[Progress] = []
    material = even_material()
    examples = compose_set(
        material, SMALL, tmp_path / "set", 3, seed=4, scales=(0.8, 1.1), monitor=ProgressMonitor(seen.append)
    )
    assert [(step.done, step.total) for step in seen] == [(1, 3), (2, 3), (3, 3)]
    for index, example in enumerate(examples):
        field = compose_field(material, SMALL, (4, index))
        np.testing.assert_array_equal(read_rgb(example.image), field.image)
        assert example.class_ids == field.class_ids
        assert all(np.array_equal(a, b) for a, b in zip(example.outlines, field.outlines, strict=True))
        assert (example.scales, example.group) == ((0.8, 1.1), "composed")
    assert random_crop(examples[0], 64, np.random.default_rng(0)).pixels.shape == (64, 64, 3)
    assert json.loads((tmp_path / "set" / RECORD).read_text(encoding="utf-8"))["groups"] == ["A", "B"]


def test_a_stopped_set_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    steps: list[Progress] = []
    monitor = ProgressMonitor(steps.append, lambda: len(steps) == 2)
    with pytest.raises(Stopped):
        compose_set(even_material(), SMALL, tmp_path / "a", 4, monitor=monitor)
    assert len(list((tmp_path / "a").glob("*.png"))) == 2
    first = (tmp_path / "a" / "000000.png").stat().st_mtime_ns
    compose_set(even_material(), SMALL, tmp_path / "a", 4)
    assert (tmp_path / "a" / "000000.png").stat().st_mtime_ns == first
    compose_set(even_material(), SMALL, tmp_path / "b", 4)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_processes_make_the_same_set(tmp_path: Path) -> None:
    compose_set(even_material(), SMALL, tmp_path / "one", 2)
    compose_set(even_material(), SMALL, tmp_path / "two", 2, processes=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_folders_with_something_else_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    compose_set(even_material(), SMALL, folder, 1)
    with pytest.raises(InputError, match=r"\(options differs\)"):
        compose_set(even_material(), SMALL.model_copy(update={"overlap": 0.1}), folder, 1)
    with pytest.raises(InputError, match=r"\(seed, material differ\)"):
        compose_set(even_material(debris=True), SMALL, folder, 1, seed=1)
    (folder / RECORD).write_text("[]")
    with pytest.raises(InputError, match="is not a record"):
        compose_set(even_material(), SMALL, folder, 1)
    (folder / RECORD).write_text("{")
    with pytest.raises(InputError, match="is not a record"):
        compose_set(even_material(), SMALL, folder, 1)
    (folder / RECORD).unlink()
    with pytest.raises(InputError, match="holds other files"):
        compose_set(even_material(), SMALL, folder, 1)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        compose_set(Material(("diatom",), ()), SMALL, tmp_path / "set", 0, seed=-1, processes=0)
    for word in ("count", "seed", "processes", "no cut-out"):
        assert word in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_the_command_composes_slides_and_atlas_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slides = two_slides(tmp_path)
    notes = {
        "images": [{"id": i, "file_name": slide.image.name} for i, slide in enumerate(slides)],
        "annotations": [
            {"image_id": i, "segmentation": [one.ravel().tolist()]}
            for i, slide in enumerate(slides)
            for one in slide.outlines
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(notes))
    atlas_image(tmp_path / "atlas" / "Navicula" / "a.png")
    out = tmp_path / "out"
    given = ["--coco", str(tmp_path / "coco.json"), "--images", str(tmp_path), "--atlas", str(tmp_path / "atlas")]
    settings = ["--size", "128", "--specimens", "1", "2", "--lengths", "30", "70", "--count", "2", "--no-mirror"]
    assert main([*given, *settings, "--out", str(out)]) == 0
    assert "5 cut-outs of specimens of 2 classes, 4 of debris, 2 backgrounds" in capsys.readouterr().out
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    assert record["classes"] == ["diatom", "Navicula"]
    assert (record["options"]["mirror"], record["options"]["size"]) == (False, 128)
    assert len(list(out.glob("*.png"))) == 2


def test_the_command_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "--out" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "out")]) == 1
    assert "annotated slides or a folder of atlas images" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "out"), "--coco", "x.json"]) == 1
    assert "--images" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "out"), "--scale", "2", "1"]) == 1
    assert "scale" in capsys.readouterr().err
