"""The tools that draw and select specimens, one of which is in use, and their buttons."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QSizePolicy, QToolButton

from napari_diatom.widgets.canvas.editing_canvas import EditingCanvas
from napari_diatom.widgets.common.object_names import named

TOOLS: Final = {
    "select": ("Select", "Select, move, rotate and scale specimens (S)"),
    "three-clicks": ("Rotated box", "Click both ends of the apical axis, then the margin (B)"),
    "wand": (
        "Click valve",
        "Click on a valve: the chosen model finds it, and the model for outlines draws its outline (W)",
    ),
    "upright": ("Upright box", "Drag from corner to corner (U)"),
    "polygon": ("Polygon", "Click the corners, then double-click or press Enter to close the polygon (P)"),
    "paint": ("Paint mask", "Paint the mask of the selected specimen, or of a new one. M starts and finishes it"),
}
"""The title and the tooltip of each tool."""
TOOL_LOOK: Final = """
QToolButton { border: 1px solid rgba(128, 128, 128, 110); border-radius: 2px; padding: 3px 5px; }
QToolButton:checked { background: rgba(86, 180, 233, 130); }
"""
"""Style of the buttons: napari's themes draw tools without a border, and do not show which one is switched on."""
MODES: Final = {
    "select": "select",
    "three-clicks": "pan_zoom",
    "wand": "pan_zoom",
    "upright": "add_rectangle",
    "polygon": "add_polygon",
    "paint": "pan_zoom",
    "move": "pan_zoom",
}
"""napari's mode of the layer for each tool."""


def tool_button(tool: str) -> QToolButton:
    """Return the button of a tool."""
    title, hint = TOOLS[tool]
    button = named(QToolButton(), f"tool_{tool}", hint)
    button.setText(title)
    button.setCheckable(True)
    fill_line(button)
    return button


def fill_line(button: QToolButton) -> None:
    """Let a button be wider than its text, so that a line of them has no gaps."""
    button.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)


def use_tool(canvas: EditingCanvas, tool: str) -> None:
    """Use a tool on the layer of a canvas, which becomes the active layer."""
    layers, layer = canvas.viewer_layers, canvas.layer
    canvas.three_clicks.switch(tool == "three-clicks")
    if layers is not None and layer in layers:
        layers.selection.active = layer
        layer.mode = MODES[tool]
