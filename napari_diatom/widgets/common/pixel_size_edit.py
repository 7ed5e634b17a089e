"""Edits a pixel size: a number in µm, 0 for unknown, or a preset of objective and camera."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from napari.utils.notifications import show_error
from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.images.optics_presets import Optics, Presets
from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM, unusual
from napari_diatom.widgets.common.object_names import named

_BUTTONS: Final = 72
"""Width of the two buttons of a number in napari's themes, with what is around the text, in pixels of the screen."""


class _SizeBox(QDoubleSpinBox):
    """A number with room for four decimals and the unit, in napari's font size."""

    def minimumSizeHint(self) -> QSize:
        """Return the room for a size, or for the word that it is unknown."""
        texts = (self.textFromValue(0) + self.suffix(), self.specialValueText())
        width = max(map(self.fontMetrics().horizontalAdvance, texts))
        return QSize(width + _BUTTONS, super().minimumSizeHint().height())


class PixelSizeEdit(QWidget):
    """A pixel size in µm, or None while it is unknown.

    Parameters
    ----------
    presets : Presets, optional
        The presets to choose from, by default the user's own.
    parent : QWidget, optional
        Parent widget.
    """

    valueChanged = Signal(object)

    def __init__(self, presets: Presets | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets = presets or Presets.of_user()
        self._spin = named(_SizeBox(), "pixel_size_spin", spoken="Micrometres per pixel")
        self._spin.setDecimals(4)
        self._spin.setRange(0, LARGEST_UM)
        self._spin.setSingleStep(0.01)
        self._spin.setSpecialValueText("Unknown")
        self._spin.setSuffix(" µm")
        self._spin.setKeyboardTracking(False)
        self._spin.setToolTip("Micrometres per pixel. 0 means unknown: lengths are in pixels.")
        self._before: float | None = None
        self._sources: list[tuple[str, Callable[[], None]]] = []
        self._spin.valueChanged.connect(self._on_spin)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        button = named(QPushButton("Optics"), "pixel_size_presets")
        button.setToolTip("Use the pixel size of an objective and camera")
        button.setMenu(self._menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._spin, 1)
        layout.addWidget(button)

    def value(self) -> float | None:
        """Return micrometres per pixel, None while unknown."""
        return self._spin.value() or None

    def minimumSizeHint(self) -> QSize:
        """Return room for the whole number and its unit; napari's themes give numbers a smaller width in pixels."""
        by_theme = self._spin.minimumWidth()
        short = self._spin.minimumSizeHint().width() - by_theme if by_theme else 0
        return super().minimumSizeHint() + QSize(max(short, 0), 0)

    def isTyping(self) -> bool:
        """Return whether a size is being typed that is not entered yet."""
        line = self._spin.lineEdit()
        return line is not None and line.isModified()

    def setValue(self, value: float | None) -> None:
        """Show a pixel size, and send ``valueChanged`` if it differs from the last one."""
        before = self.value()
        with signals_blocked(self._spin):
            self._spin.setValue(value or 0)
        if self.value() != before:
            self._before = self.value()
            self.valueChanged.emit(self.value())

    def _on_spin(self, _: float) -> None:
        """Send the typed size. Ask first if no light microscope has it."""
        size = self.value()
        question = "" if size is None else unusual(size)
        if question and SMALLEST_UM <= (size or 0) <= LARGEST_UM:
            kinds = QMessageBox.StandardButton
            answer = QMessageBox.question(
                self, "Pixel size", f"{question}\n\nIs this correct?", kinds.Yes | kinds.No, kinds.No
            )
            if answer != kinds.Yes:
                with signals_blocked(self._spin):
                    self._spin.setValue(self._before or 0)
                return
        self._before = size
        self.valueChanged.emit(size)

    def setHint(self, hint: str) -> None:
        """Show the source of the value in the second line of the tooltip."""
        first = "Micrometres per pixel. 0 means unknown: lengths are in pixels."
        self._spin.setToolTip(f"{first}\n{hint}" if hint else first)

    def addSource(self, text: str, look: Callable[[], None]) -> None:
        """Add an entry to the top of the menu that looks for a pixel size elsewhere."""
        self._sources.append((text, look))

    def presetNames(self) -> list[str]:
        """Return the entries of the menu, read from the present file."""
        self._fill_menu()
        return [action.text() for action in self._menu.actions() if action.text()]

    def _fill_menu(self) -> None:
        self._menu.clear()
        for source, look in self._sources:
            _add_action(self._menu, source, look)
        if self._sources:
            self._menu.addSeparator()
        presets = self._load()
        for preset in presets:
            text = f"{preset.name}  ({preset.pixel_size_um:.4g} µm)"
            _add_action(self._menu, text, partial(self._spin.setValue, preset.pixel_size_um))
        self._menu.addSeparator()
        _add_action(self._menu, "New preset…", self._add_preset)
        if presets:
            remove = self._menu.addMenu("Remove preset")
            assert remove is not None
            for preset in presets:
                _add_action(remove, preset.name, partial(self._remove, preset))

    def _remove(self, preset: Optics) -> None:
        self._save([known for known in self._load() if known != preset])

    def _load(self) -> tuple[Optics, ...]:
        try:
            return self._presets.load()
        except DiatomError as error:
            show_error(str(error))
            return ()

    def _save(self, presets: list[Optics]) -> None:
        try:
            self._presets.save(presets)
        except DiatomError as error:
            show_error(str(error))

    def _add_preset(self) -> None:
        dialog = OpticsDialog(self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.addPreset(dialog.value())

    def addPreset(self, preset: Optics) -> None:
        """Save a preset, in place of one with the same name, and use its pixel size."""
        others = [known for known in self._load() if known.name != preset.name]
        self._save([*others, preset])
        self._spin.setValue(preset.pixel_size_um)


def _add_action(menu: QMenu, text: str, slot: Callable[[], None]) -> None:
    """Add a menu entry that calls ``slot`` without arguments."""
    action = menu.addAction(text)
    assert action is not None
    action.triggered.connect(lambda _checked: slot())


class OpticsDialog(QDialog):
    """Asks for an objective and a camera; edits one :class:`~napari_diatom.images.optics_presets.Optics`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Objective and camera")
        self._name = named(QLineEdit(), "optics_name")
        self._name.setPlaceholderText("Your name for it, such as “Axio 100x”")
        self._magnification = self._number("optics_magnification", 1, 200, 100, "x", 1)
        self._camera = self._number("optics_camera", 0.1, 50, 3.45, " µm", 2)
        self._adapter = self._number("optics_adapter", 0.1, 10, 1, "x", 2)
        self._binning = named(QSpinBox(), "optics_binning")
        self._binning.setRange(1, 16)
        self._result = named(QLabel(), "optics_result")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("Name", self._name)
        form.addRow("Objective", self._magnification)
        form.addRow("Camera pixel", self._camera)
        form.addRow("Camera adapter", self._adapter)
        form.addRow("Binning", self._binning)
        form.addRow("Pixel size", self._result)
        form.addRow(self._buttons)
        self._name.textChanged.connect(self._refresh)
        for edit in (self._magnification, self._camera, self._adapter, self._binning):
            edit.valueChanged.connect(self._refresh)
        self._refresh()

    def value(self) -> Optics:
        """Return the preset. If it has no name, its numbers are its name."""
        numbers = f"{self._magnification.value():g}x, {self._camera.value():g} µm camera"
        return Optics(
            self._name.text().strip() or numbers,
            self._magnification.value(),
            self._camera.value(),
            self._adapter.value(),
            self._binning.value(),
        )

    def setValue(self, preset: Optics) -> None:
        """Show a preset."""
        with signals_blocked(self):
            self._name.setText(preset.name)
            self._magnification.setValue(preset.magnification)
            self._camera.setValue(preset.camera_pixel_um)
            self._adapter.setValue(preset.adapter)
            self._binning.setValue(preset.binning)
        self._refresh()

    def _refresh(self) -> None:
        self._result.setText(f"{self.value().pixel_size_um:.4g} µm per pixel")

    @staticmethod
    def _number(name: str, low: float, high: float, value: float, suffix: str, decimals: int) -> QDoubleSpinBox:
        spin = named(QDoubleSpinBox(), name)
        spin.setDecimals(decimals)
        spin.setRange(low, high)
        spin.setValue(value)
        spin.setSuffix(suffix)
        return spin
