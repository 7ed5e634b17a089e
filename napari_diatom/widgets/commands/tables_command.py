"""The dock widget *Write tables of a project*: its specimens and counts, with the columns of ``count``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many, sentence
from napari_diatom.review.project_tables import TablesOptions, write_project_tables
from napari_diatom.widgets.commands.command_widget import CommandWidget
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.forms.pydantic_adapter import options_form

if TYPE_CHECKING:
    from napari.viewer import Viewer


class TablesWidget(CommandWidget):
    """Writes the tables of a project, at first those of the open one.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    TAB = "Tables"

    def __init__(self, napari_viewer: Viewer) -> None:
        self._open = OpenProject.of(napari_viewer)
        form = options_form(TablesOptions)
        super().__init__(
            "Write the specimens and the counts of a project as tables, with the columns of a run over several images.",
            "Write",
            form,
            _tables_written,
        )
        if self._open.folder is not None:
            form.set_part("project", self._open.folder)

    def _options(self) -> TablesOptions:
        """Return the options, when all edits of the project are on disk."""
        options: TablesOptions = super()._options()
        self._open.changing.emit(options.project)
        return options


def _tables_written(options: TablesOptions, monitor: ProgressMonitor) -> list[str]:
    """Write the tables; return what was done."""
    written = write_project_tables(options, monitor)
    lines = [written.summary(), *written.warnings()]
    if written.proposals:
        lines.insert(1, f"{many(written.proposals, 'proposal')} not reviewed yet and left out")
    return [sentence(line) for line in lines]
