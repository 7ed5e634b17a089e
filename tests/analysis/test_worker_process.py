"""Analysis in a child process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.analysis.pipeline import analyse as analyse_here
from napari_diatom.analysis.worker_process import Job
from napari_diatom.core.errors import DiatomError, InputError, ModelError, Stopped
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.models.card import ModelFacts


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network that finds something."""
    import torch

    from napari_diatom.engines import yolo_net
    from napari_diatom.engines.model_writer import write_model

    torch.manual_seed(3)
    network = yolo_net.build("yolo11n-obb", 1)
    for branch in network.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].weight, std=2.0)
        branch[-1].bias.data[:] = 0.5
    folder = tmp_path_factory.mktemp("models") / "untrained"
    write_model(
        folder,
        network,
        ModelFacts(
            name="untrained",
            version="0",
            task="oriented-boxes",
            engine="yolo",
            architecture="yolo11n-obb",
            classes=("diatom",),
            tile_size=256,
            licence="AGPL-3.0-or-later",
        ),
    )
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_child_left():
    yield
    worker_process.close()


def pixels(height=300, width=420, channels=3):
    shape = (height // 4, width // 4, channels)
    coarse = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)


def test_the_child_finds_what_this_process_finds_and_reports(model):
    from napari_diatom.engines import load
    from napari_diatom.images.slide_image import from_array
    from napari_diatom.models import library

    reports = []
    job = Job("a", pixels(), model, rgb=True, pixel_size_um=0.1, device="cpu")
    there = worker_process.analyse(job, ProgressMonitor(reports.append))
    engine = load(library.resolve_model(model), "cpu")
    here = analyse_here(from_array(pixels(), "a", 0.1, rgb=True), engine, AnalysisOptions(pixel_size_um=0.1))
    np.testing.assert_array_equal(there.detections.boxes, here.detections.boxes)
    np.testing.assert_array_equal(there.detections.scores, here.detections.scores)
    assert (there.image, there.pixel_size_um, there.model) == ("a", 0.1, "untrained")
    stages = [report.stage for report in reports]
    assert stages[0] == "start"
    assert reports[-1].done == reports[-1].total > 0


@pytest.fixture(scope="module")
def outliner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network that draws something into every box."""
    import torch

    from napari_diatom.engines import outline_net
    from napari_diatom.engines.model_writer import write_model

    torch.manual_seed(0)
    network = outline_net.build("outline/resnet18/32")
    with torch.no_grad():
        network.segmentation_head[0].weight.mul_(30)
    folder = tmp_path_factory.mktemp("models") / "outliner"
    entries = {"version": "0", "task": "outlines", "engine": "outline", "architecture": "outline/resnet18/32"}
    write_model(
        folder, network, ModelFacts(name="outliner", classes=("diatom",), tile_size=outline_net.TILE, **entries)
    )
    return folder


def test_the_child_outlines_boxes_and_clicks_as_this_process_does(model, outliner):
    from napari_diatom.analysis.click_outlining import specimen_at
    from napari_diatom.engines import load, load_outliner
    from napari_diatom.images.slide_image import from_array
    from napari_diatom.models import library

    image = from_array(pixels(), "a", rgb=True)
    here = load_outliner(library.resolve_model(outliner), "cpu")
    boxes = np.array([[100.0, 100, 60, 20, 0.3], [300, 200, 40, 40, 0]])
    expected = here.outlines(image, boxes)
    found = worker_process.outline_boxes(Job("a", pixels(), outliner, rgb=True, device="cpu"), boxes, UNWATCHED)
    np.testing.assert_array_equal(found.flags, expected.flags)
    for ours, its in zip(found.masks, expected.masks, strict=True):
        assert (ours.x0, ours.y0) == (its.x0, its.y0)
        np.testing.assert_array_equal(ours.pixels, its.pixels)
    there = worker_process.outline_point(
        Job("a", pixels(), model, rgb=True, device="cpu"), 200, 150, outliner, UNWATCHED
    )
    same = specimen_at(image, 200, 150, load(library.resolve_model(model), "cpu"), here)
    assert there is not None
    assert same is not None
    np.testing.assert_array_equal(there.box, same.box)


def test_a_model_that_gives_no_boxes_is_refused_for_clicks(tmp_path, outliner):
    import torch

    from napari_diatom.engines import map_nets
    from napari_diatom.engines.model_writer import write_model

    torch.manual_seed(0)
    architecture = "deeplabv3plus/resnet18/64"
    entries = {"version": "0", "task": "semantic", "engine": "deeplab", "architecture": architecture}
    network = map_nets.build(architecture, 1)
    write_model(tmp_path / "maps", network, ModelFacts(name="maps", classes=("diatom",), tile_size=64, **entries))
    with pytest.raises(ModelError, match="gives no boxes"):
        worker_process.outline_point(Job("a", pixels(), tmp_path / "maps", rgb=True), 20, 20, outliner, UNWATCHED)


def test_the_child_outlines_what_this_process_outlines(model, tmp_path):
    import torch

    from napari_diatom.engines import load, load_outliner, outline_net
    from napari_diatom.engines.model_writer import write_model
    from napari_diatom.images.slide_image import from_array
    from napari_diatom.models import library

    torch.manual_seed(0)
    facts = {"task": "outlines", "engine": "outline", "architecture": "outline/resnet18/32", "classes": ("diatom",)}
    network = outline_net.build(facts["architecture"])
    outlining = write_model(
        tmp_path / "outlining", network, ModelFacts(name="own", version="3", tile_size=320, **facts)
    )
    options = AnalysisOptions(threshold=0.9, pixel_size_um=0.1, measure=True)
    reports = []
    job = Job("a", pixels(), model, rgb=True, device="cpu", options=options, outliner=outlining.folder)
    there = worker_process.analyse(job, ProgressMonitor(reports.append))
    networks = load(library.resolve_model(model), "cpu"), load_outliner(outlining, "cpu")
    here = analyse_here(from_array(pixels(), "a", rgb=True), networks[0], options, outliner=networks[1])
    assert there.outliner == "own 3"
    # The candidates below the threshold too: it may be moved.
    assert len(there.detections) > len(there.kept)
    assert len(there.detections.masks) == len(there.detections) == reports[-1].total
    assert reports[-1].stage == "outlines"
    np.testing.assert_array_equal(there.detections.outline_flags, here.detections.outline_flags)
    np.testing.assert_array_equal(there.detections.boxes, here.detections.boxes)
    assert there.measured.outlines == here.measured.outlines
    # The next job of the same child outlines nothing.
    assert worker_process.analyse(Job("a", pixels(), model, rgb=True, device="cpu"), UNWATCHED).outliner == ""


def test_maps_come_back_whole_and_large_ones_in_a_file(tmp_path_factory, monkeypatch):
    import torch

    from napari_diatom.engines import load, map_nets
    from napari_diatom.engines.model_writer import write_model
    from napari_diatom.images.slide_image import from_array
    from napari_diatom.tiling import map_blending

    torch.manual_seed(0)
    architecture = "deeplabv3plus/resnet18/32"
    maps = write_model(
        tmp_path_factory.mktemp("models") / "maps",
        map_nets.build(architecture, 2),
        ModelFacts(
            name="maps",
            version="0",
            task="semantic",
            engine="deeplab",
            architecture=architecture,
            classes=("round", "long"),
            tile_size=128,
        ),
    )
    monkeypatch.setattr(map_blending, "IN_MEMORY", 1000)
    options = AnalysisOptions(keep_probability=True, map_scales=(1.0,))
    there = worker_process.analyse(Job("a", pixels(), maps.folder, rgb=True, device="cpu", options=options), UNWATCHED)
    here = analyse_here(from_array(pixels(), "a", rgb=True), load(maps, "cpu"), options)
    np.testing.assert_array_equal(there.class_map, here.class_map)
    np.testing.assert_array_equal(there.probability, here.probability)
    assert isinstance(there.class_map, np.memmap)
    assert len(there.detections) == len(here.detections)
    assert there.class_map.shape == (300, 420)


def test_specimens_are_named_as_in_this_process(model, tmp_path):
    import torch

    from napari_diatom.core.detections import Detections
    from napari_diatom.engines import classifier_net, load_classifier
    from napari_diatom.engines.model_writer import write_model
    from napari_diatom.images.slide_image import from_array

    torch.manual_seed(0)
    architecture = "classifier/tu-test_efficientnet/64"
    namer = write_model(
        tmp_path / "flora",
        classifier_net.build(architecture, 2),
        ModelFacts(
            name="flora",
            version="1.0",
            task="classes",
            engine="classifier",
            architecture=architecture,
            classes=("round", "long"),
            tile_size=64,
        ),
    )
    found = Detections.of([[100, 80, 60, 20, 0.3], [300, 200, 40, 30, -1.0]])
    reports = []
    there = worker_process.name(
        Job("a", pixels(), namer.folder, rgb=True, device="cpu"), found, ProgressMonitor(reports.append)
    )
    here = load_classifier(namer, "cpu").name(from_array(pixels(), "a", rgb=True), found)
    assert [name.taxon for name in there.verdicts] == [name.taxon for name in here.verdicts]
    np.testing.assert_allclose(there.probabilities, here.probabilities, atol=1e-6)
    assert (reports[-1].stage, reports[-1].done, reports[-1].total) == ("names", 2, 2)
    with pytest.raises(ModelError, match="does not name specimens"):
        worker_process.name(Job("a", pixels(), model, rgb=True), found, UNWATCHED)


def test_a_plane_of_a_stack_is_analysed_and_the_child_stays_warm(model):
    stack = np.stack([np.zeros((300, 420), np.uint8), pixels()[..., 0]])
    worker_process.analyse(Job("a", pixels(), model, rgb=True, device="cpu"), UNWATCHED)
    warm = psutil.Process().children()
    plane = worker_process.analyse(Job("a", stack, model, plane=(1,), device="cpu"), UNWATCHED)
    flat = worker_process.analyse(Job("a", stack[1], model, device="cpu"), UNWATCHED)
    np.testing.assert_array_equal(plane.detections.boxes, flat.detections.boxes)
    assert warm
    assert psutil.Process().children() == warm


def test_errors_come_through_as_what_they_are(model, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        worker_process.analyse(Job("a", pixels(), Path("nowhere"), rgb=True), UNWATCHED)
    with pytest.raises(InputError, match="NaN"):
        worker_process.analyse(Job("a", np.full((300, 300), np.nan), model, device="cpu"), UNWATCHED)
    with pytest.raises(InputError, match="a has no pixels"):
        worker_process.analyse(Job("a", np.zeros((0, 5), np.uint8), model, device="cpu"), UNWATCHED)


def test_a_stop_is_heeded_within_two_seconds_even_while_the_child_starts(model):
    for wait in (0.0, 0.3):
        worker_process.close()
        asked: list[float] = []
        begin = time.monotonic()

        def should_stop(wait=wait, begin=begin, asked=asked):
            if time.monotonic() - begin >= wait:
                asked.append(time.monotonic())
            return bool(asked)

        job = Job("a", pixels(2000, 2000), model, rgb=True, device="cpu")
        with pytest.raises(Stopped):
            worker_process.analyse(job, ProgressMonitor(should_stop=should_stop))
        assert time.monotonic() - asked[0] < 2


def test_a_child_that_dies_is_reported_and_replaced(model):
    job = Job("a", pixels(), model, rgb=True, device="cpu")

    def kill(progress):
        if progress.stage == "tiles" and progress.done == 0:
            running_child().kill()

    with pytest.raises(DiatomError, match="unexpectedly"):
        worker_process.analyse(job, ProgressMonitor(kill))
    assert len(worker_process.analyse(job, UNWATCHED).detections) > 0


def running_child():
    import psutil

    (process,) = [
        p
        for p in psutil.Process(os.getpid()).children()
        if p.status() != psutil.STATUS_ZOMBIE and "napari_diatom.analysis.worker_serving" in " ".join(p.cmdline())
    ]
    return process


def test_temporary_files_are_gone_afterwards(model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker_process.analyse(Job("a", pixels(), model, rgb=True, device="cpu"), UNWATCHED)
    assert list(tmp_path.glob("napari-diatom-*")) == []


def test_devices_always_hold_the_cpu():
    assert worker_process.devices()[:2] == ("auto", "cpu")
