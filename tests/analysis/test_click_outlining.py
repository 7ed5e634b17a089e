"""The specimen under a click, from a detector and a network for outlines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from helpers.fakes import BlobEngine, card
from helpers.outlining import PerfectOutliner, drawn
from napari_diatom.analysis import outline_requests, worker_process
from napari_diatom.analysis.click_outlining import specimen_at
from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.outline_refinement import IN_PARTS


@pytest.fixture
def detector() -> BlobEngine:
    return BlobEngine(card(tile_size=1024))


@pytest.mark.parametrize(
    "box",
    [
        (600, 500, 60, 20, 0.4),
        (600, 500, 170, 30, -0.7),
        (600, 500, 420, 40, 1.2),
        (600, 500, 900, 120, 0.3),
        (30, 500, 55, 18, 1.5),
        (1180, 980, 30, 28, 0.0),
    ],
    ids=["small", "of half a crop", "longer than a crop", "of most of the image", "at the edge", "in the corner"],
)
@pytest.mark.parametrize("place", [0.0, -0.4, 0.4])
def test_a_click_anywhere_on_a_valve_gives_its_box_and_outline(box, place, detector: BlobEngine) -> None:
    pixels, [mask] = drawn([box], 1000, 1200)
    x, y = np.array(box[:2]) + place * box[2] * np.array([np.cos(box[4]), np.sin(box[4])])
    found = specimen_at(from_array(pixels, "slide"), x, y, detector, PerfectOutliner())
    assert found is not None
    assert found.mask is not None
    assert cropped_masks.mask_iou(found.mask, mask) > 0.9
    assert geometry.box_ious(found.box, box)[0] > 0.8


def test_a_click_takes_the_valve_under_it_and_not_its_neighbour(detector: BlobEngine) -> None:
    boxes = [(300, 300, 80, 20, 0), (300, 330, 80, 20, 0), (420, 300, 80, 20, 1.2)]
    pixels, _ = drawn(boxes, 700, 700)
    for box in boxes:
        found = specimen_at(from_array(pixels, "slide"), box[0], box[1], detector, PerfectOutliner())
        assert found is not None
        assert geometry.box_ious(found.box, box)[0] > 0.8


class UprightEngine(BlobEngine):
    """Gives the upright boxes of what it finds."""

    def blobs(self, pixels):
        found = super().blobs(pixels)
        x0, y0, x1, y1 = geometry.bounds(found.boxes).T
        boxes = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros(len(found))])
        return Detections.of(boxes, found.class_ids, found.scores, found.classes)


def test_of_upright_boxes_that_hold_the_click_the_one_whose_outline_does_is_taken() -> None:
    boxes = [(300, 300, 200, 14, 0.785), (345, 255, 60, 14, 0)]
    pixels, masks = drawn(boxes, 700, 700)
    detector = UprightEngine(card(tile_size=1024).model_copy(update={"task": "boxes", "architecture": "yolo11n"}))
    for x, y, which in ((300, 300, 0), (345, 255, 1), (360, 360, 0)):
        found = specimen_at(from_array(pixels, "slide"), x, y, detector, PerfectOutliner())
        assert found is not None
        assert found.mask is not None
        assert cropped_masks.mask_iou(found.mask, masks[which]) > 0.9


def test_where_nothing_is_seen_the_detector_looks_at_scales_between() -> None:
    class Picky(BlobEngine):
        def blobs(self, pixels):
            found = super().blobs(pixels)
            return found[(found.boxes[:, 2] > 53) & (found.boxes[:, 2] < 100)]

    box = (300, 300, 46, 12, 0.4)
    pixels, _ = drawn([box], 380, 380)
    found = specimen_at(from_array(pixels, "slide"), 300, 300, Picky(card(tile_size=1024)), PerfectOutliner())
    assert found is not None
    assert geometry.box_ious(found.box, box)[0] > 0.8


def test_beside_all_valves_and_beside_the_image_there_is_none(detector: BlobEngine) -> None:
    pixels, _ = drawn([(300, 300, 80, 20, 0)], 700, 700)
    for x, y in ((500, 500), (300, 325), (-3, 10), (10, 900)):
        assert specimen_at(from_array(pixels, "slide"), x, y, detector, PerfectOutliner()) is None


def test_an_outline_that_contradicts_the_box_leaves_the_box(detector: BlobEngine) -> None:
    box = (300, 300, 80, 20, 0.2)
    pixels, _ = drawn([box], 700, 700)
    found = specimen_at(from_array(pixels, "slide"), 300, 300, detector, PerfectOutliner(flags={0: IN_PARTS}))
    assert found is not None
    assert (found.mask, found.flag) == (None, IN_PARTS)
    assert geometry.box_ious(found.box, box)[0] > 0.8


def test_a_click_can_be_stopped(detector: BlobEngine) -> None:
    pixels, _ = drawn([(300, 300, 80, 20, 0)], 700, 700)
    with pytest.raises(Stopped):
        specimen_at(
            from_array(pixels, "slide"),
            300,
            300,
            detector,
            PerfectOutliner(),
            ProgressMonitor(should_stop=lambda: True),
        )


@pytest.fixture
def in_this_process(monkeypatch, detector: BlobEngine) -> Iterator[list[worker_process.Job]]:
    """The child's work done here; what it was given."""
    jobs: list[worker_process.Job] = []

    def boxes(job, boxes, monitor):
        jobs.append(job)
        return PerfectOutliner().outlines(from_array(job.pixels, job.name), boxes, monitor)

    def point(job, x, y, outliner, monitor):
        jobs.append(job)
        return specimen_at(from_array(job.pixels, job.name), x, y, detector, PerfectOutliner(), monitor)

    monkeypatch.setattr(worker_process, "outline_boxes", boxes)
    monkeypatch.setattr(worker_process, "outline_point", point)
    return jobs


def test_boxes_far_apart_are_outlined_in_parts_and_come_back_in_their_order(in_this_process) -> None:
    boxes = [(5000, 300, 80, 20, 0.3), (200, 250, 60, 20, 0), (5100, 420, 90, 30, 1), (2600, 900, 60, 60, 0)]
    pixels, masks = drawn(boxes, 1000, 6000)
    reports = []
    found = outline_requests.outline_in_parts(
        from_array(pixels, "slide"), boxes, "outliner", ProgressMonitor(reports.append)
    )
    for ours, mask in zip(found.masks, masks, strict=True):
        assert cropped_masks.mask_iou(ours, mask) > 0.9
    assert not found.flags.any()
    assert len(in_this_process) == 3
    assert sum(job.pixels.size for job in in_this_process) < pixels.size
    assert (reports[-1].done, reports[-1].total) == (4, 4)


def test_no_boxes_and_a_box_beside_the_image_are_no_error(in_this_process) -> None:
    image = from_array(drawn([], 300, 300)[0], "slide")
    assert len(outline_requests.outline_in_parts(image, [], "outliner")) == 0
    assert outline_requests.outline_in_parts(image, [(900, 900, 50, 10, 0)], "outliner").flags.all()
    assert not in_this_process


@pytest.mark.parametrize(
    ("box", "x"),
    [((4000, 900, 100, 30, 0.3), 4000), ((4000, 900, 2600, 200, 0), 4000), ((4000, 900, 1400, 120, 0), 3400)],
    ids=["small", "huge", "huge, at its end"],
)
def test_of_a_large_image_only_what_is_round_a_click_is_read(box, x, in_this_process) -> None:
    pixels, [mask] = drawn([box], 1800, 8000)
    found = outline_requests.outline_at(from_array(pixels, "slide"), x, 900, "detector", "outliner")
    assert found is not None
    assert found.mask is not None
    assert cropped_masks.mask_iou(found.mask, mask) > 0.9
    assert in_this_process[0].pixels.shape[1] <= 4000
    assert outline_requests.outline_at(from_array(pixels, "slide"), 4000, 1700, "detector", "outliner") is None
    assert outline_requests.outline_at(from_array(pixels, "slide"), 9000, 100, "detector", "outliner") is None
