"""A choice that fills several fields of a form at once, such as the kinds of augmentation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from qtpy.QtWidgets import QComboBox, QFormLayout
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.forms.pydantic_adapter import OptionsForm

_OWN: Final = "own"
"""What is shown where the fields have none of the named settings."""


class NamedSettings:
    """Fills a group of a form with one of several named settings, and shows which of them it has.

    Parameters
    ----------
    form : OptionsForm
        The form.
    group : str
        Dotted name of the group.
    settings : mapping of str to mapping
        The entries of each setting by its name; a missing one has its default.
    name, label : str
        Object name of the choice, and its name for the user.

    Attributes
    ----------
    box : QComboBox
        The choice, to be put into the form.
    """

    def __init__(
        self, form: OptionsForm[Any], group: str, settings: Mapping[str, Mapping[str, Any]], name: str, label: str
    ) -> None:
        self._form, self._group = form, group
        kind = form.field(group).type
        self._options = {title: kind.model_validate(entries) for title, entries in settings.items()}
        self.box = named(QComboBox(), name)
        self.box.setAccessibleName(label)
        self.box.setToolTip("Fills in the settings that are listed in detail below")
        self._offered = list(self._options)
        self.box.addItems(self._offered)
        self.box.currentTextChanged.connect(self._take)

    def offer(self, titles: Collection[str]) -> None:
        """Offer some of the settings alone, by their names."""
        self._offered = [title for title in self._options if title in titles]
        with signals_blocked(self.box):
            self.box.clear()
            self.box.addItems(self._offered)

    def recognise(self) -> None:
        """Show the name of the settings that the fields have.

        Raises
        ------
        InputError
            When a text of the form cannot be read.
        """
        shown: Any = self._form.entries()
        for part in self._group.split("."):
            shown = shown.get(part, {})
        entries = {title: self._options[title].model_dump(mode="json") for title in self._offered}
        names = [title for title, known in entries.items() if known | shown == known]
        with signals_blocked(self.box):
            if not names and self.box.findText(_OWN) < 0:
                self.box.addItem(_OWN)
            self.box.setCurrentText(names[0] if names else _OWN)
            if names and self.box.findText(_OWN) >= 0:
                self.box.removeItem(self.box.findText(_OWN))

    def set_visible(self, visible: bool) -> None:
        """Show or hide the row of the choice."""
        parent = self.box.parentWidget()
        rows = None if parent is None else parent.layout()
        if isinstance(rows, QFormLayout):
            rows.setRowVisible(self.box, visible)

    def _take(self, title: str) -> None:
        if title in self._options:
            self._form.set_part(self._group, self._options[title])
