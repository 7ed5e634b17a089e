"""Layers of an image from the list of a run are renamed, duplicated and removed by napari's own means."""

from __future__ import annotations

from helpers.layers import duplicate
from helpers.window import child_of


def names_of(viewer):
    return [layer.name for layer in viewer.layers]


def test_renamed_layers_keep_their_result_and_give_way_to_the_next_image(
    fields, search, show, widget, viewer, tmp_path
):
    search(fields)
    result = show("field0.png")
    image = widget.shared.image_of(result)
    image.name, result.layer.name = "mine", "my boxes"
    assert widget.result() is result
    assert widget.panel.exportTo(tmp_path / "out.csv")
    assert "field0.png" in (tmp_path / "out.csv").read_text()
    other = show("site1/field1.png")
    assert names_of(viewer) == ["site1/field1.png", other.layer.name]
    assert show("field0.png") is not result


def test_a_duplicated_image_is_found_again_when_the_other_one_is_closed(fields, search, show, widget, viewer):
    search(fields)
    result = show("field0.png")
    image = widget.shared.image_of(result)
    copy = duplicate(viewer, image)
    assert widget.shared.image_of(result) is image
    show("site1/field1.png")
    assert image not in viewer.layers
    assert copy in viewer.layers
    again = show("field0.png")
    assert widget.shared.image_of(again) is copy


def test_a_result_that_was_removed_comes_back_with_a_click_on_its_image(fields, search, show, widget, viewer):
    search(fields)
    result = show("field0.png")
    number = len(result.layer.data)
    viewer.layers.selection = {result.layer}
    viewer.layers.remove_selected()
    assert widget.result() is None
    assert child_of(widget, "batch_tabs").isVisibleTo(widget)
    again = show("field0.png")
    assert again is not result
    assert len(again.layer.data) == number
    assert names_of(viewer).count("field0.png") == 1


def test_all_layers_can_be_removed_and_the_list_goes_on(fields, search, show, widget, viewer):
    search(fields)
    result = show("field0.png")
    result.add_box((100, 200, 40, 12, 0.0))
    viewer.layers.clear()
    assert widget.result() is None
    show("site1/field1.png")
    show("field0.png")
    assert len(viewer.layers) == 2
