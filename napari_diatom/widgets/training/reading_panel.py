"""What the curves of a run say, with buttons for what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import sentence
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label

if TYPE_CHECKING:
    from diatom_training.evaluation.curve_diagnosis import Diagnosis
    from diatom_training.finetune.run_folder import RunFolder

_COLUMNS: Final = 2
_EPOCHS: Final = 20
"""Epochs that are added at a time."""
_MOST_EPOCHS: Final = 1000


class ReadingPanel(QWidget):
    """Shows the reading of the curves; its buttons change the settings, or add epochs to the run."""

    changed = Signal(object)
    """A :class:`~diatom_training.finetune.remedies.SettingsChange` that the user wants."""
    continued = Signal(int, float)
    """The user wants so many more epochs, with this highest learning rate."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._build()
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._text.setText("")
        self._fill([])
        self._more.hide()

    def show_reading(self, folder: RunFolder, reading: Diagnosis) -> None:
        """Show what the curves of a run say, and what can be changed."""
        self._text.setText(reading.text)
        try:
            self._offer(folder, reading)
        except DiatomError:
            # Settings that cannot be read are reported where the run is chosen.
            self._fill([])
            self._more.hide()

    def _build(self) -> None:
        self._text = text_label("reading")
        self._grid = QGridLayout()
        self._more = named(QWidget(), "more_epochs_row")
        self._count = named(QSpinBox(), "more_epochs_count", "How many epochs are added", "More epochs")
        self._count.setRange(1, _MOST_EPOCHS)
        self._count.setValue(_EPOCHS)
        self._rate = named(
            QLineEdit(),
            "more_epochs_rate",
            "Highest learning rate of the added epochs; it falls over them as in the training so far",
            "Learning rate of the added epochs",
        )
        self._rate.setValidator(QDoubleValidator(1e-9, 10.0, 9, self._rate))
        self._continue = named(QPushButton(), "more_epochs")
        self._continue.setToolTip("Continue this training; the epochs so far stay as they are")
        self._count.valueChanged.connect(self._name_button)
        self._continue.clicked.connect(self._on_continue)
        self._name_button()
        row = QHBoxLayout(self._more)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._continue, 1)
        row.addWidget(self._count)
        row.addWidget(QLabel("rate"))
        row.addWidget(self._rate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._text)
        layout.addWidget(self._more)
        layout.addLayout(self._grid)

    def _offer(self, folder: RunFolder, reading: Diagnosis) -> None:
        """Offer what helps and can act."""
        from diatom_training.finetune.added_epochs import usual_next_rate
        from diatom_training.finetune.remedies import change_of, network_of

        config, stage = folder.config(), folder.state().stage
        changes = [change_of(remedy, config, network_of(folder)) for remedy in reading.remedies]
        buttons: list[QPushButton] = []
        for change in changes:
            if change is None:
                continue
            button = QPushButton(change.title)
            button.setObjectName(f"remedy_{len(buttons)}")
            button.setToolTip(sentence(f"Changes only this in the settings, and starts nothing: {change.sentence}"))
            button.clicked.connect(lambda _, wanted=change: self.changed.emit(wanted))
            buttons.append(button)
        self._fill(buttons)
        can_continue = "more-epochs" in reading.remedies and stage == "finished"
        if can_continue and not self._more.isVisibleTo(self):
            self._rate.setText(f"{usual_next_rate(folder):g}")
        self._more.setVisible(can_continue)

    def _fill(self, buttons: list[QPushButton]) -> None:
        """Replace the buttons."""
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for place, button in enumerate(buttons):
            self._grid.addWidget(button, *divmod(place, _COLUMNS))

    def _name_button(self) -> None:
        epochs = self._count.value()
        self._continue.setText(f"Train {epochs} more {'epoch' if epochs == 1 else 'epochs'}")

    def _on_continue(self) -> None:
        if self._rate.hasAcceptableInput():
            self.continued.emit(self._count.value(), float(self._rate.text()))
