"""Sixteen variations of the user's own specimens in a window of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGEST_PART = 0.85
"""Share of the screen that the window takes at most, along each side."""


class AugmentationDialog(QDialog):
    """Shows how specimens are varied, beside the settings that vary them.

    Parameters
    ----------
    sheet : ndarray of uint8, shape (H, W, 3)
        RGB: what :func:`~diatom_training.finetune.augmentation_preview.augmentation_sheet` gives.
    parent : QWidget
        The widget that it belongs to; it closes with it.
    """

    def __init__(self, sheet: NDArray[np.uint8], parent: QWidget) -> None:
        super().__init__(parent)
        named(self, "augmentation_preview", "Sixteen variations of your specimens")
        self.setWindowTitle("Augmentation: sixteen variations of your specimens")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.picture = named(QLabel(), "augmentation_picture", "Specimens as they are, and four variations of each")
        height, width = sheet.shape[:2]
        image = QImage(sheet.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self.picture.setPixmap(QPixmap.fromImage(image))
        area = QScrollArea()
        area.setWidget(self.picture)
        text = text_label("augmentation_text")
        text.setText(
            "Each row is a specimen of the training slides: first as it is, then as the network is shown it. "
            "Blue is what the network is asked for. Change the settings and press the button again to compare."
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        screen = self.screen()
        room = (screen.availableSize() if screen is not None else self.sizeHint()) * _LARGEST_PART
        frame = 2 * area.frameWidth() + 24
        self.resize(min(width + frame, room.width()), min(height + frame + 90, room.height()))
