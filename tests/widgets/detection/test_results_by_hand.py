"""Specimens drawn with napari's own tools and a real mouse, seen from near and from far."""

import numpy as np
import pytest

from helpers import hand as hands
from helpers.window import child_of
from napari_diatom.widgets.canvas.viewer_camera import camera_of

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

SIDE = 3000
TOOLS = ("add_rectangle", "add_ellipse", "add_line", "add_polygon_lasso")


def test_a_click_with_a_tool_leaves_no_specimen_and_a_drag_does_at_any_zoom(make_napari_viewer, quick, analysis, qtbot):
    analysis.found = analysis.found[:3]
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    viewer.add_image(np.full((SIDE, SIDE), 150, np.uint8), name="slide", scale=(0.5, 0.5), units=("µm", "µm"))
    hand = hands.Hand(viewer)
    widget.run()
    hand.wait(lambda: not widget.value().running)
    result = widget.result()
    result.flush()
    layer = result.layer
    whole = camera_of(viewer).zoom
    assert whole < 0.6
    drawn = 0
    for zoom in (whole, 4 * whole, 20 * whole):
        camera_of(viewer).zoom = zoom
        on_screen = 2 / zoom
        hand.spin(0.2)
        for tool in TOOLS:
            layer.mode = tool
            hand.click(SIDE / 2, SIDE / 2)
            hand.spin(0.2)
            result.flush()
            assert len(layer.data) == 3 + drawn, (tool, zoom)
            assert not result.touched() or drawn
        layer.mode = "add_rectangle"
        at = SIDE / 2 - 60 * on_screen
        hand.drag((at, at), (at + 12 * on_screen, at + 6 * on_screen), (at + 40 * on_screen, at + 20 * on_screen))
        drawn += 1
        hand.wait(lambda expected=3 + drawn: len(layer.data) == expected)
        result.flush()
    assert list(layer.features["origin"]).count("person") == drawn
    hand.wait(lambda: f"<b>{3 + drawn}</b> specimens" in child_of(widget, "counts").text())
    # The row of what was drawn last is chosen in the table, as it is in the layer.
    assert result.selection()
    assert child_of(widget, "specimen_table").numbers() == result.selection()
    # What is pasted from far away may look as small as a click.
    camera_of(viewer).zoom = whole / 20
    layer.mode = "select"
    layer.selected_data = {0}
    layer._copy_data()
    layer._paste_data()
    hand.spin(0.2)
    result.flush()
    assert len(layer.data) == 4 + drawn
    viewer.close()
