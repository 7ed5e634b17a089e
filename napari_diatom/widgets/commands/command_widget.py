"""A dock with the form of one function, a button that runs it, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_keys import ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.detection.run_progress import RunProgress, quit_all
from napari_diatom.widgets.forms.pydantic_adapter import OptionsForm

Work = Callable[[Any, ProgressMonitor], list[str]]
"""Takes the options, and returns what was done, in sentences."""


class CommandWidget(QWidget):
    """Runs a function with the options of a form, in a thread.

    Parameters
    ----------
    text : str
        What the function does.
    verb : str
        The label of the button.
    form : OptionsForm
        The options.
    work : callable
        The function; its result is shown.
    """

    TAB: ClassVar[str] = "Command"
    """The title of its tab."""

    def __init__(self, text: str, verb: str, form: OptionsForm[Any], work: Work) -> None:
        super().__init__()
        self._form, self._work = form, work
        self._progress = RunProgress(self)
        self._run_button = named(QPushButton(verb), "run")
        self._run_button.setAccessibleName(verb)
        self._run_button.setToolTip(text)
        self._progress.cancel_button.setToolTip("Stop; nothing is left half-written")
        about = text_label("about")
        about.setText(text)
        buttons = QHBoxLayout()
        buttons.addWidget(self._run_button, 2)
        buttons.addWidget(self._progress.cancel_button, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(about)
        layout.addWidget(form.native)
        layout.addLayout(buttons)
        layout.addWidget(self._progress.bar)
        layout.addWidget(self._progress.message)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scrolled(content))
        self._run_button.clicked.connect(lambda _: self.run())
        self._progress.started.connect(self._refresh)
        self._progress.ended.connect(self._refresh)
        self._refresh()
        DockKeys(self, None, [ButtonKey("Alt+R", "run", verb.lower()), ButtonKey("Alt+C", "cancel", "cancel")])
        share_area(self, self.TAB)
        delete_when_closed(self)
        # Qt may delete the widget before Python does, so the slot must not need it.
        when_destroyed(self, quit_all, self._progress.workers)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the image on a small screen, and for the title of the dock."""
        return QSize(400, 560)

    def run(self) -> None:
        """Run the function, or show why it cannot run."""
        try:
            options = self._options()
        except InputError as error:
            self._progress.complain(str(error))
            return
        self._progress.start(self._show, self._work, options)

    def _options(self) -> Any:
        """Return what the function is called with."""
        return self._form.value()

    def _show(self, lines: list[str]) -> None:
        self._progress.say("\n".join(lines))

    def _refresh(self) -> None:
        running = self._progress.running
        self._run_button.setEnabled(not running)
        self._progress.cancel_button.setEnabled(running)
        self._form.native.setEnabled(not running)
