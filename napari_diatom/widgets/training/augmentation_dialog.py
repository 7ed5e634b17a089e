"""Sixteen variations of the user's own specimens in a window of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGEST_PART: Final = 0.85
"""Share of the screen that the window takes at most, along each side."""
_REST: Final = QSize(24, 110)
"""Pixels of the window beside the picture, and above and below it."""


class FittedPicture(QWidget):
    """A picture as large as there is room for, and not larger than it is.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        RGB.

    Attributes
    ----------
    pixmap : QPixmap
        The picture.
    """

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        super().__init__()
        height, width = picture.shape[:2]
        image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self.pixmap = QPixmap.fromImage(image)

    def sizeHint(self) -> QSize:
        """Return the size of the picture."""
        return self.pixmap.size()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Draw the picture in the middle."""
        size = self.pixmap.size()
        shown = size.scaled(size.boundedTo(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect((self.width() - shown.width()) // 2, 0, shown.width(), shown.height())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        fitted = self.pixmap.scaled(
            shown * self.devicePixelRatioF(),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        painter.drawPixmap(place, fitted)
        painter.end()


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
        self.picture = named(
            FittedPicture(sheet), "augmentation_picture", "Specimens as they are, and four variations of each"
        )
        text = text_label("augmentation_text")
        text.setText(
            "Each row is a specimen of the training slides: first as it is, then as the network is shown it. "
            "Blue is what the network is asked for. Change the settings and press the button again to compare."
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(self.picture, 1)
        layout.addWidget(buttons)
        screen = self.screen()
        shown = self.picture.sizeHint()
        if screen is not None:
            room = screen.availableSize() * _LARGEST_PART - _REST
            shown = shown.scaled(shown.boundedTo(room), Qt.AspectRatioMode.KeepAspectRatio)
        self.resize(shown + _REST)
