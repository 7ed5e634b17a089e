"""The page *Split*: which slide is in which part, and what each part has."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QComboBox, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.project import splits
from napari_diatom.project.project import Project
from napari_diatom.project.project_options import SlideSplitOptions
from napari_diatom.project.settings import Split
from napari_diatom.project.split_table import group_rows, part_rows, with_group_in
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.forms.pydantic_adapter import options_form
from napari_diatom.widgets.project_settings.page_parts import (
    fill_table,
    in_rows,
    page_layout,
    push_button,
    settings_table,
)
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_PART_HEADS: Final = ("Part", "Slides", "Images", "Specimens")
_GROUP_HEADS: Final = ("Slide", "Part", "Images", "Specimens")
_NONE: Final = "none"
_NO_SPLIT: Final = (
    "The slides are not split yet. Choose the shares and press Split: a model is then tested on slides that it has not "
    "seen."
)


class SplitPage(QWidget):
    """Splits the slides or samples into parts, and moves one to another part.

    Parameters
    ----------
    session : SettingsSession
        The project, and changes to it.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._form = options_form(SlideSplitOptions, advanced=("folds", "seed"))
        self._make = push_button(
            "split_make", "Split", "Assign the slides to parts; the same seed gives the same split"
        )
        self._clear = push_button("split_clear", "Remove split...", "Forget which slide is in which part")
        self._parts = settings_table("split_parts", "Parts of the split, with specimens by class", _PART_HEADS)
        self._groups = settings_table("split_groups", "Slides, and the part of each", _GROUP_HEADS)
        for column, width in ((1, 110), (2, 60), (3, 80)):
            self._groups.setColumnWidth(column, width)
            self._parts.setColumnWidth(column, 80)
        self._warnings = text_label("split_warnings")
        layout = page_layout(self)
        layout.addWidget(self._form.native)
        layout.addLayout(in_rows(self._make, self._clear))
        layout.addWidget(self._warnings)
        layout.addWidget(self._parts, 1)
        layout.addWidget(self._groups, 2)
        self._make.clicked.connect(lambda *_: self._ask_for_split())
        self._clear.clicked.connect(lambda *_: self._ask_for_removal())

    def refresh(self) -> None:
        """Show the split of the project."""
        project = self._session.project
        split = None if project is None else project.settings.split
        self._make.setEnabled(project is not None and bool(project.images) and not self._session.is_running)
        self._clear.setEnabled(split is not None)
        if project is None or split is None:
            self._warnings.setText("" if project is None else _NO_SPLIT)
            for table in (self._parts, self._groups):
                fill_table(table, [])
            return
        tallies = project.summary()
        self._warnings.setText(
            "\n".join(splits.warnings_of(split, tallies)) or "Every part has images and specimens of every class."
        )
        classes = [item.name for item in project.settings.classes]
        heads = ("Part", f"{split.by.capitalize()}s", "Images", "Specimens", *classes)
        self._parts.setColumnCount(len(heads))
        self._parts.setHorizontalHeaderLabels(heads)
        fill_table(
            self._parts,
            [
                (row.part, len(row.groups), row.images, row.specimens, *(row.by_class.get(name, 0) for name in classes))
                for row in part_rows(split, tallies)
            ],
        )
        self._show_groups(project, split)

    def _show_groups(self, project: Project, split: Split) -> None:
        rows = group_rows(split, project.summary())
        self._groups.setHorizontalHeaderLabels((split.by.capitalize(), *_GROUP_HEADS[1:]))
        fill_table(self._groups, [(row.group, "", row.images, row.specimens) for row in rows])
        for number, row in enumerate(rows):
            box = named(QComboBox(), f"part_of_{row.group}")
            box.setAccessibleName(f"Part of {row.group}")
            box.setToolTip(f"The part that {row.group} is in")
            box.addItems([*split.parts, _NONE])
            box.setCurrentText(row.part or _NONE)
            box.textActivated.connect(lambda part, group=row.group: self._move(group, part))
            self._groups.setCellWidget(number, 1, box)

    def _move(self, group: str, part: str) -> None:
        def change(project: Project) -> str:
            split = project.settings.split
            if split is None:
                raise InputError("The project is not split any more.")
            moved = with_group_in(split, group, "" if part == _NONE else part)
            project.update(project.settings.replace(split=moved))
            return f"{group} is in {part}." if part != _NONE else f"{group} is in no part."

        self._session.apply(change)

    def _ask_for_split(self) -> None:
        project = self._session.project
        if project is None:
            return
        try:
            options = self._form.value()
        except InputError as error:
            self._session.failed.emit(str(error))
            return
        if project.settings.split is not None:
            question = (
                "The project is split already. Make a new split?\n\nA model that was trained with the old one may know "
                "slides of the new test part."
            )
            if ask(self, "Split the slides", question, "Keep the split", "Make a new split") != 1:
                return

        def change(project: Project) -> str:
            planned = splits.plan(
                project.summary(), options.by, splits.shares_of(options.shares), options.folds, options.seed
            )
            project.update(project.settings.replace(split=planned.split))
            return f"The {options.by}s are split into {len(planned.split.parts)} parts."

        self._session.apply(change)

    def _ask_for_removal(self) -> None:
        question = "Forget which slide is in which part? Models that were trained with the split stay as they are."
        if ask(self, "Remove the split", question, "Keep the split", "Remove the split") == 1:
            self._session.apply(
                lambda project: project.update(project.settings.replace(split=None)), "The split was removed."
            )
