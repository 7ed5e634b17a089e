"""The example slides: the stored files are what the code renders, and hold what they are said to hold."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from diatom_training.synthesis import sample_slides
from diatom_training.synthesis.sample_slides import SAMPLES, Sample, render_sample, write_sample, write_samples
from helpers import REPOSITORY
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import open_images

STORED = REPOSITORY / "sample_data"
BY_NAME = {sample.name: sample for sample in SAMPLES}
KNOWS_ITS_SIZE = {"lake_dic_63x": "ome", "pond_living_dic_60x": "tiff"}


def truth_file(sample: Sample) -> Path:
    return STORED / "truth" / f"{Path(sample.file).stem}.geojson"


def pixels(path: Path) -> NDArray[np.int64]:
    image = tifffile.imread(path) if path.suffix == ".tif" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return np.asarray(image, dtype=np.int64)


@pytest.mark.parametrize("name", ["bay_needles_phase_20x", "lake_dic_63x"])
def test_stored_files_are_what_is_rendered(name: str, tmp_path: Path) -> None:
    slide, truth = write_sample(tmp_path, name)
    stored = STORED / "slides" / slide.name
    assert truth.read_bytes() == truth_file(BY_NAME[name]).read_bytes()
    # Processors without AVX2 round a few values in the last place the other way; on others the bytes are the same.
    apart = np.abs(pixels(slide) - pixels(stored))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01
    if not apart.any():
        assert slide.read_bytes() == stored.read_bytes()


@pytest.mark.parametrize("name", ["pond_living_dic_60x", "river_bright_field_40x"])
def test_same_bytes_on_each_run(name: str, tmp_path: Path) -> None:
    first, again = write_sample(tmp_path / "a", name), write_sample(tmp_path / "b", name)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_stored_truth_is_the_rendered_truth() -> None:
    rendered = render_sample("stream_crowded_20x").truth
    file = truth_file(BY_NAME["stream_crowded_20x"])
    stored = geojson.read(file).detections
    assert len(stored) == len(rendered) >= 95
    written = [feature["properties"]["box"] for feature in json.loads(file.read_text(encoding="utf-8"))["features"]]
    np.testing.assert_array_equal(np.array(written, dtype=np.float32), rendered.boxes)
    np.testing.assert_array_equal(stored.cut, rendered.cut)
    np.testing.assert_array_equal(stored.status, rendered.status)
    assert [stored.classes[i] for i in stored.class_ids] == [rendered.classes[i] for i in rendered.class_ids]
    assert stored.masks is not None
    assert rendered.masks is not None
    for ours, theirs in zip(stored.masks, rendered.masks, strict=True):
        assert (ours.x0, ours.y0) == (theirs.x0, theirs.y0)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_stored_slides_and_truth_open(sample: Sample) -> None:
    (slide,) = open_images(STORED / "slides" / sample.file)
    assert (slide.height, slide.width) == (1536, 2048)
    assert slide.pixel_size_source == KNOWS_ITS_SIZE.get(sample.name, "unknown")
    if sample.name in KNOWS_ITS_SIZE:
        assert slide.pixel_size_um == pytest.approx(sample.options.pixel_size_um, rel=1e-6)
    truth = geojson.read(truth_file(sample))
    assert (truth.image, truth.pixel_size_um) == (sample.file, sample.options.pixel_size_um)
    assert (len(truth) == 0) == (sample.options.specimens == (0, 0))


def test_the_set_is_varied_and_small() -> None:
    truths = [geojson.read(truth_file(sample)).detections for sample in SAMPLES]
    lengths = np.concatenate([truth.boxes[:, 2] for truth in truths])
    assert len(SAMPLES) == len(BY_NAME) == 8
    assert lengths.min() <= 40
    assert lengths.max() >= 1400
    assert {STATUSES[i] for truth in truths for i in truth.status} >= {"valve", "girdle", "frustule", "broken"}
    assert {sample.options.modality for sample in SAMPLES} == {"bright-field", "dic", "phase-contrast"}
    assert sum(path.stat().st_size for path in STORED.rglob("*") if path.is_file()) < 15e6


def test_nothing_is_stored_that_is_not_listed() -> None:
    assert {path.name for path in (STORED / "slides").iterdir()} == {sample.file for sample in SAMPLES}
    assert set((STORED / "truth").iterdir()) == {truth_file(sample) for sample in SAMPLES}
    readme = (STORED / "README.md").read_text(encoding="utf-8")
    for sample in SAMPLES:
        assert sample.file in readme
        assert sample.description in readme


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="spring_empty_40x"):
        render_sample("sea")


def test_stop_keeps_finished_slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_slides, "SAMPLES", (BY_NAME["spring_empty_40x"], BY_NAME["lake_dic_63x"]))
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        write_samples(tmp_path, ProgressMonitor(seen.append, lambda: len(seen) == 1))
    assert [path.name for path in (tmp_path / "slides").iterdir()] == ["spring_empty_40x.jpg"]
    assert [(step.done, step.total) for step in seen] == [(0, 2)]


def test_command_says_what_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken"
    taken.write_text("in the way")
    assert sample_slides.main([str(taken)]) == 2
    assert "cannot be written" in capsys.readouterr().err
