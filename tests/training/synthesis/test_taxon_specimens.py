"""Rendered taxa: alike within a taxon, over the size series, and the same from the same seeds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from diatom_training.data.rendered_taxa import render_taxa
from diatom_training.synthesis.families import FAMILIES
from diatom_training.synthesis.taxon_specimens import PIXEL_SIZE_UM, draw_slides, draw_taxon, render_specimen
from napari_diatom.core import cropped_masks
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.measurement.measurements import measure

SMALL = next(seed for seed in itertools.count() if draw_taxon(seed).length_um[1] < 22)


def test_a_taxon_comes_from_its_seed_alone() -> None:
    taxa = [draw_taxon(seed) for seed in range(200)]
    assert taxa == [draw_taxon(seed) for seed in range(200)]
    assert {taxon.family for taxon in taxa} == set(FAMILIES)
    assert all(0 < taxon.length_um[0] < taxon.length_um[1] for taxon in taxa)
    assert len({taxon.name for taxon in taxa}) == 200


def test_slides_of_a_study_share_their_microscopy() -> None:
    for study in range(5):
        assert len({slide.modality for slide in draw_slides(study, 4)}) == 1
    assert {slide.modality for slide in draw_slides(0, 2, "dic")} == {"dic"}
    assert draw_slides(3, 2) == draw_slides(3, 2)


def test_specimens_of_a_taxon_have_its_sizes_and_shape_and_their_outline_is_theirs() -> None:
    taxon, slides = draw_taxon(SMALL), draw_slides(1, 2)
    found = [render_specimen(taxon, slides, seed) for seed in range(6)]
    again = render_specimen(taxon, slides, 2)
    np.testing.assert_array_equal(
        *(one.image.read(0, 0, one.image.width, one.image.height) for one in (found[2], again))
    )
    assert {one.slide for one in found} == {0, 1}
    for one in found:
        assert len(one.truth) == 1
        assert one.truth.masks is not None
        measured = measure(one.truth, PIXEL_SIZE_UM)
        low, high = taxon.length_um
        assert 0.95 * low - 0.5 < measured.length_um[0] < 1.05 * high + 0.5
        x, y = one.truth.boxes[0, :2]
        drawn = cropped_masks.trace_outline(one.truth.masks[0])
        assert np.abs(drawn.mean(axis=0) - (x, y)).max() < 0.2 * one.truth.boxes[0, 2]
    assert len({round(float(one.truth.boxes[0, 2])) for one in found}) > 3


def test_a_set_on_disk_is_completed_and_read_again(tmp_path: Path) -> None:
    first = render_taxa(tmp_path, [SMALL], 2, 7, 2)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    both = render_taxa(tmp_path, [SMALL, SMALL + 1], 2, 7, 2)
    assert [one.taxon for one in both] == [draw_taxon(seed).name for seed in (SMALL, SMALL, SMALL + 1, SMALL + 1)]
    for before, after in zip(first, both[:2], strict=True):
        np.testing.assert_array_equal(before.outline, after.outline)
        np.testing.assert_array_equal(before.box, after.box)
    assert all(path.stat().st_mtime_ns == time for path, time in files.items())
    with pytest.raises(Stopped):
        render_taxa(tmp_path, [SMALL], 2, 7, 2, ProgressMonitor(should_stop=lambda: True))
