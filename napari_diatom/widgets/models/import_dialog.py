"""The dialog that shows the card of a model before it is taken."""

from __future__ import annotations

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QTextBrowser, QVBoxLayout, QWidget

from napari_diatom.models.library import ModelFolder
from napari_diatom.models.own_models import name_problem
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.models.card_text import card_html


class ImportDialog(QDialog):
    """Shows the card, and asks for the name.

    Parameters
    ----------
    parent : QWidget or None
        The window in front of which it appears.
    model : ModelFolder
        The model.
    asks_for_licence : bool
        Whether its file states no licence.
    """

    def __init__(self, parent: QWidget | None, model: ModelFolder, asks_for_licence: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import a model")
        self._model = model
        text = named(QTextBrowser(), "import_card")
        text.setHtml(card_html(model))
        text.setToolTip("What the model says of itself")
        self._name = named(QLineEdit(model.card.name), "import_name")
        self._name.setToolTip("Name of the model in lists and tables")
        self._licence = named(QLineEdit(model.card.licence), "import_licence")
        self._licence.setToolTip("Licence of the weights, as their author states it")
        self._problem = named(QLabel(), "import_problem")
        self._problem.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        take = buttons.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        assert take is not None
        self._take = named(take, "import_take")
        self._take.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow("Name", self._name)
        if asks_for_licence:
            form.addRow("Licence", self._licence)
        layout = QVBoxLayout(self)
        layout.addWidget(text, 1)
        layout.addLayout(form)
        layout.addWidget(self._problem)
        layout.addWidget(buttons)
        self.resize(480, 420)
        self._name.textChanged.connect(self._refresh)
        self._refresh()

    def value(self) -> ModelFolder:
        """Return the model with the name and the licence that were typed."""
        update = {"name": self._name.text().strip(), "licence": self._licence.text().strip()}
        return ModelFolder(self._model.card.model_copy(update=update), self._model.folder)

    def _refresh(self, *_: object) -> None:
        """Show why the model cannot have its name."""
        problem = name_problem(self._name.text().strip())
        self._problem.setText(problem or "")
        self._take.setEnabled(problem is None)
