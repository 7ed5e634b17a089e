"""Layers of a result are renamed and duplicated with napari's own menu while the result is shown."""

from __future__ import annotations

import csv

import pytest
from napari.layers.shapes import Shapes

from helpers.layers import duplicate


def exported(widget, path):
    assert widget.panel.exportTo(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("which", ["image", "result"])
def test_a_renamed_layer_keeps_its_result(viewer, widget, image, run, tmp_path, which):
    run()
    result = widget.result()
    number = len(result.layer.data)
    (image if which == "image" else result.layer).name = "renamed"
    assert widget.result() is result
    result.set_threshold(0.6)
    result.flush()
    fewer = len(result.layer.data)
    assert fewer < number
    rows = exported(widget, tmp_path / "out.csv")
    assert len(rows) == fewer
    assert {row["image"] for row in rows} == {"slide"}
    run()
    shown = [layer for layer in viewer.layers if isinstance(layer, Shapes) and layer.visible and len(layer.data)]
    assert len(shown) == 1


def test_a_duplicated_result_is_a_result_of_its_own(viewer, widget, image, run, tmp_path):
    run()
    result = widget.result()
    number = len(result.layer.data)
    copy = duplicate(viewer, result.layer)
    assert len(copy.data) == number
    assert widget.result() is not None
    # An edit of one is not one of the other.
    viewer.layers.selection.active = result.layer
    result.layer.selected_data = {0}
    result.layer.remove_selected()
    result.flush()
    assert len(result.layer.data) == number - 1
    assert len(copy.data) == number
    copy.selected_data = {0, 1}
    copy.remove_selected()
    for every in widget.shared.all_results():
        every.flush()
    assert len(result.layer.data) == number - 1
    assert len(widget.shared.all_results()) == 2
    assert len(exported(widget, tmp_path / "out.csv")) == len(widget.result().layer.data)
    widget.shared.canvas_of(result).undo()
    assert len(result.layer.data) == number
    assert len(copy.data) == number - 2


def test_a_duplicated_image_takes_no_result_away(viewer, widget, image, run):
    run()
    result = widget.result()
    number = len(result.layer.data)
    copy = duplicate(viewer, image)
    viewer.layers.remove(image)
    run()
    assert widget.result() is not result
    assert widget.shared.image_of(widget.result()) is copy
    assert len(result.layer.data) == number
