"""What is asked before a training continues beside a form with other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from qtpy.QtWidgets import QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.asking import ask

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import RunFolder
    from napari_diatom.widgets.training.data_page import SlidesPage

_CONTINUE: Final = "Continue with its own settings"
_NEW: Final = "Start a new training"
_ANSWERS: Final = ("Cancel", _CONTINUE, _NEW)


class TrainingDock(Protocol):
    """What is asked of the dock with the form."""

    @property
    def slides(self) -> SlidesPage:
        """The page with the slides."""
        ...

    def config(self) -> TrainConfig:
        """Return the settings in the form. Raises InputError with their problems."""
        ...

    def start(self) -> None:
        """Start a training with them."""
        ...

    def window(self) -> QWidget | None:
        """Return the window in front of which questions appear."""
        ...


def may_continue(dock: TrainingDock, run: RunFolder) -> bool:
    """Return whether a run is to continue with its own settings, after a question if those in the window are others.

    A new training starts if the user wants that in its place. A window that describes no training yet asks nothing, and
    neither is anything asked of a run whose settings cannot be read: it says so when it continues.

    Parameters
    ----------
    dock : TrainingDock
        Has the settings in the window.
    run : RunFolder
        The run.
    """
    from diatom_training.finetune.changed_settings import changed_settings, told_changes

    if dock.slides.problem():
        return True
    try:
        own = run.config()
        # A new training gets a name of its own.
        changes = changed_settings(own, dock.config().replace(name=own.name))
    except DiatomError:
        return True
    if not changes:
        return True
    lines = "\n".join(f"• {change}" for change in told_changes(changes))
    text = (
        f"{run.path.name} was started with other settings than those in the window:\n{lines}\n\n"
        "A training can only continue with its own settings. A new training takes those in the window."
    )
    answer = _ANSWERS[ask(dock.window(), "Continue a training", text, *_ANSWERS)]
    if answer == _NEW:
        dock.start()
    return answer == _CONTINUE
