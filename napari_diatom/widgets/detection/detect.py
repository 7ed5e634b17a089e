"""The dock widget *Detect diatoms*: rotated or upright boxes by YOLO, and outlines in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from qtpy.QtWidgets import QButtonGroup, QFormLayout, QHBoxLayout, QRadioButton, QWidget
from superqt.utils import signals_blocked

from napari_diatom.models.card import Task
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.detection.outline_row import OutlineRow
from napari_diatom.widgets.detection.run_widget import RunWidget

if TYPE_CHECKING:
    from pathlib import Path

_TITLES: Final[dict[Task, str]] = {"oriented-boxes": "Rotated", "boxes": "Upright"}
_TIPS: Final[dict[Task, str]] = {
    "oriented-boxes": "Boxes along the specimens: length and width are those of the valve",
    "boxes": "Boxes along the sides of the image",
}


class DetectWidget(RunWidget):
    """Finds diatoms as boxes; see :class:`~napari_diatom.widgets.detection.run_widget.RunWidget`."""

    TASKS: ClassVar[tuple[Task, ...]] = tuple(_TITLES)
    TAB = VERB = "Detect"

    def _add_model_rows(self, form: QFormLayout) -> None:
        """Add the choice of boxes and the choice of the model."""
        boxes = QWidget()
        row = QHBoxLayout(boxes)
        row.setContentsMargins(0, 0, 0, 0)
        self._tasks = QButtonGroup(self)
        for i, (task, title) in enumerate(_TITLES.items()):
            button = named(QRadioButton(title), f"task_{task}")
            self._tasks.addButton(button, i)
            row.addWidget(button)
        row.addStretch()
        self._tasks.idToggled.connect(lambda i, on: self._choose_task(i) if on else None)
        form.addRow("Boxes", boxes)
        super()._add_model_rows(form)
        self._models.chosen.connect(self._follow_model)
        self._follow_model()

    def _add_option_rows(self, form: QFormLayout) -> None:
        """Add the choice of outlines."""
        self._outlines = OutlineRow()
        form.addRow("", self._outlines)

    def choose_outliner(self, name: str) -> None:
        """Outline boxes with a model, by its name. If it is not offered, keep the choice and show an error."""
        if not self._outlines.choose(name):
            self.progress.complain(f"This widget does not offer the model {name}.")

    def _outliner(self) -> Path | None:
        """Return the folder of the model that outlines the boxes, None if they stay boxes."""
        return self._outlines.folder()

    def _follow_model(self) -> None:
        """Select rotated or upright boxes to match the model."""
        model = self._models.chosen_model()
        tasks = {known.card.task for known in self._models.offered()}
        with signals_blocked(self._tasks):
            for i, task in enumerate(self.TASKS):
                button = self._tasks.button(i)
                assert button is not None
                button.setEnabled(task in tasks)
                button.setToolTip(_TIPS[task] if task in tasks else "No model for these boxes is installed")
                if model is not None and model.card.task == task:
                    button.setChecked(True)

    def _choose_task(self, index: int) -> None:
        """Select a model to match rotated or upright boxes."""
        current = self._models.chosen_model()
        if current is not None and current.card.task == self.TASKS[index]:
            return
        for model in self._models.offered():
            if model.card.task == self.TASKS[index]:
                self._models.choose(model.card.name)
                return
