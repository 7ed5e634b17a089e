"""The dock widget *Compose slides*: more slides, of cut-outs of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import sentence
from napari_diatom.widgets.commands.command_widget import CommandWidget
from napari_diatom.widgets.forms.pydantic_adapter import options_form

if TYPE_CHECKING:
    from diatom_training.composing.compose_run import ComposeRun


class ComposeWidget(CommandWidget):
    """Composes slides of cut-outs on emptied backgrounds, and writes them to a folder."""

    TAB = "Compose"

    def __init__(self) -> None:
        from diatom_training.composing.compose_run import ComposeRun

        super().__init__(
            "Compose slides of cut-outs of annotated slides or of atlas images, to train on. Leave out the slides that "
            "a model is to be tested on.",
            "Compose",
            options_form(ComposeRun, advanced=("seed", "one_class", "pixel_size_um", "atlas_pixel_size_um")),
            _composed,
        )


def _composed(run: ComposeRun, monitor: ProgressMonitor) -> list[str]:
    """Compose the slides; return what was done."""
    from diatom_training.composing.compose_run import compose_slides

    return [sentence(line) for line in compose_slides(run, monitor)]
