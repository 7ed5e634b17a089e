"""The settings of *Fine-tune a model* for composed slides, which a training can start with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.widgets.common.object_names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_diatom.core.detections import Detections

LAYER: Final = "Composed slides"
LABELS: Final = "Composed slides: specimens"


class ComposedPart(QWidget):
    """Edits whether and how to compose slides from cut-outs of the training slides."""

    changed = Signal()
    """A setting has changed."""
    previewed = Signal()
    """The user wants a preview."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._on = named(QCheckBox("Train on composed slides first"), "composed")
        self._on.setToolTip("Cut-outs from your training slides on empty backgrounds. This helps most with few slides.")
        self._count = named(QSpinBox(), "composed_count")
        self._count.setRange(1, 100_000)
        self._count.setValue(200)
        self._epochs = named(QSpinBox(), "composed_epochs")
        self._epochs.setRange(1, 1000)
        self._epochs.setValue(6)
        self._least, self._most = _ratio(0.5, "debris_least"), _ratio(3.0, "debris_most")
        self._overlap = named(QDoubleSpinBox(), "composed_overlap")
        self._overlap.setRange(0, 1)
        self._overlap.setSingleStep(0.05)
        self._overlap.setValue(0.2)
        self._atlas = named(QLineEdit(), "atlas")
        self._atlas.setPlaceholderText("None")
        self._atlas.setToolTip("Folder of images with one valve each, in one subfolder per taxon")
        self._choose = named(QPushButton("…"), "choose_atlas")
        self._preview = named(QPushButton("Preview"), "preview_composed")
        self._preview.setToolTip("Show the first composed slides in the viewer, with their specimens")

        ratio, atlas = QHBoxLayout(), QHBoxLayout()
        ratio.addWidget(self._least)
        ratio.addWidget(self._most)
        atlas.addWidget(self._atlas, 1)
        atlas.addWidget(self._choose)
        self._inner = QWidget()
        form = QFormLayout(self._inner)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Slides", self._count)
        form.addRow("Epochs", self._epochs)
        form.addRow("Debris per diatom", ratio)
        form.addRow("Largest overlap", self._overlap)
        form.addRow("Atlas", atlas)
        form.addRow("", self._preview)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._on)
        layout.addWidget(self._inner)
        self._inner.hide()

        self._on.toggled.connect(self._inner.setVisible)
        self._on.toggled.connect(self.changed)
        self._choose.clicked.connect(self._ask_for_atlas)
        self._preview.clicked.connect(self.previewed)
        for spin in (self._count, self._epochs, self._least, self._most, self._overlap):
            spin.valueChanged.connect(self.changed)
        self._atlas.textChanged.connect(self.changed)

    def entries(self) -> dict[str, Any] | None:
        """Return the entries of :class:`~diatom_training.finetune.config.ComposedConfig`, None if switched off."""
        if not self._on.isChecked():
            return None
        atlas = self._atlas.text().strip()
        return {
            "count": self._count.value(),
            "epochs": self._epochs.value(),
            "debris_ratio": (self._least.value(), self._most.value()),
            "overlap": self._overlap.value(),
            "atlas": Path(atlas) if atlas else None,
        }

    def _ask_for_atlas(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose an atlas folder")
        if folder:
            self._atlas.setText(folder)


def show_composed(viewer: Viewer, fields: Sequence[tuple[NDArray[np.uint8], Detections]]) -> None:
    """Show composed slides as one stack, with the specimens of each as labels."""
    images = np.stack([image for image, _ in fields])
    labels = np.zeros(images.shape[:3], np.int32)
    for plane, (_, truth) in zip(labels, fields, strict=True):
        for number, mask in enumerate(truth.masks or (), start=1):
            rows = slice(max(mask.y0, 0), min(mask.y0 + mask.pixels.shape[0], plane.shape[0]))
            columns = slice(max(mask.x0, 0), min(mask.x0 + mask.pixels.shape[1], plane.shape[1]))
            inside = mask.pixels[rows.start - mask.y0 : rows.stop - mask.y0, columns.start - mask.x0 :]
            plane[rows, columns][inside[:, : columns.stop - columns.start]] = number
    for name in (LAYER, LABELS):
        if name in viewer.layers:
            viewer.layers.remove(name)
    viewer.add_image(images, name=LAYER, rgb=True)
    shown = viewer.add_labels(labels, name=LABELS, opacity=0.8)
    shown.contour = 2
    viewer.dims.set_point(0, 0)
    viewer.reset_view()


def _ratio(value: float, name: str) -> QDoubleSpinBox:
    """Return an input of debris per diatom."""
    spin = named(QDoubleSpinBox(), name)
    spin.setRange(0, 50)
    spin.setSingleStep(0.5)
    spin.setValue(value)
    return spin
