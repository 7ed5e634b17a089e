"""Small pictures of a network's maps, which lay the maps over the image when they are pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.explanation.explanation_layers import Area

if TYPE_CHECKING:
    from diatom_training.explanation.explanation import Explanation, FeatureMaps

_LARGE: Final = 172
_SMALL: Final = 80
_LARGE_COLUMNS: Final = 2
_SMALL_COLUMNS: Final = 4
_TIP: Final = "Press to lay this map over the image; press again to take it away"

_LOOK: Final = """
QToolButton { border: 2px solid transparent; padding: 0px; }
QToolButton:focus { border-color: #0072b2; }
QToolButton:checked { border-color: #d55e00; }
"""
"""A picture whose map lies over the image has a frame, and so has the one that has the focus."""


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A map that can be laid over the image.

    Attributes
    ----------
    title : str
        What it is, such as ``Grad-CAM``.
    values : ndarray of float32, shape (h, w)
        The map.
    area : tuple of float, or None
        Part of the picture that it covers; None for all of it.
    smooth : bool
        Whether it is interpolated between cells.
    """

    title: str
    values: NDArray[np.float32]
    area: Area | None = None
    smooth: bool = False


class MapButtons(QWidget):
    """The maps of one explanation as buttons."""

    pressed = Signal(object, bool)
    """A map was pressed: the :class:`ShownMap`, and whether it is to be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet(_LOOK)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._content: QWidget | None = None
        self._buttons: list[tuple[ShownMap, QToolButton]] = []

    def set_explanation(self, explanation: Explanation | None) -> None:
        """Show the maps of an explanation, in place of those before."""
        if self._content is not None:
            self._layout.removeWidget(self._content)
            self._content.deleteLater()
        self._content, self._buttons = None, []
        if explanation is not None:
            self._content = self._filled(explanation)
            self._layout.addWidget(self._content)

    def shown_maps(self) -> Sequence[ShownMap]:
        """Return the maps in the order of their buttons."""
        return [shown for shown, _ in self._buttons]

    def set_on(self, title: str, on: bool) -> None:
        """Show by its button whether a map lies over the image."""
        for shown, button in self._buttons:
            if shown.title == title:
                button.setChecked(on)

    def _filled(self, explanation: Explanation) -> QWidget:
        from diatom_training.explanation.explanation_pictures import feature_picture, heat_picture, seen_picture

        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        seen = named(QLabel(), "seen", "What the network is given, with the specimen")
        seen.setPixmap(_pixmap(seen_picture(explanation, _LARGE)))
        seen.setAccessibleName("What the network is given")
        heat = [
            self._button(
                ShownMap(_capitalized(each.method), each.values, each.area, smooth=True),
                heat_picture(explanation, each, _LARGE),
                each.method.replace(" ", "_").lower(),
            )
            for each in explanation.heat_maps
        ]
        layout.addLayout(_grid([seen, *heat], _LARGE_COLUMNS))
        for maps in explanation.features:
            layout.addWidget(_heading(maps))
            small = [
                self._button(
                    ShownMap(f"Map {channel} of the {maps.depth} layer", values),
                    feature_picture(values, _SMALL),
                    f"{maps.depth}_{place}",
                )
                for place, (channel, values) in enumerate(zip(maps.channels, maps.maps, strict=True))
            ]
            layout.addLayout(_grid(small, _SMALL_COLUMNS))
        return content

    def _button(self, shown: ShownMap, picture: NDArray[np.uint8], name: str) -> QToolButton:
        button = named(QToolButton(), f"map_{name}", f"{shown.title}. {_TIP}", shown.title)
        button.setCheckable(True)
        button.setIcon(QIcon(_pixmap(picture)))
        button.setIconSize(QSize(picture.shape[1], picture.shape[0]))
        button.clicked.connect(lambda on: self.pressed.emit(shown, on))
        self._buttons.append((shown, button))
        return button


def _heading(maps: FeatureMaps) -> QLabel:
    """Return the line above the maps of a layer."""
    label = named(QLabel(), f"heading_{maps.depth}")
    label.setText(f"{maps.depth.capitalize()} layer, {maps.cell:.0f} px a cell, {len(maps.channels)} of {maps.of} maps")
    label.setToolTip("The maps that vary most over the picture: dark their lowest value, yellow their highest")
    return label


def _grid(widgets: Sequence[QWidget], columns: int) -> QGridLayout:
    grid = QGridLayout()
    grid.setSpacing(2)
    for place, widget in enumerate(widgets):
        grid.addWidget(widget, place // columns, place % columns, Qt.AlignmentFlag.AlignLeft)
    grid.setColumnStretch(columns, 1)
    return grid


def _pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    """Return an RGB picture for Qt."""
    height, width = picture.shape[:2]
    data = np.ascontiguousarray(picture).tobytes()
    return QPixmap.fromImage(QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888))


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]
