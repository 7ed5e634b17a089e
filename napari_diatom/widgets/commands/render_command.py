"""The dock widget *Render example slides*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.widgets.commands.command_widget import CommandWidget
from napari_diatom.widgets.forms.pydantic_adapter import options_form

if TYPE_CHECKING:
    from diatom_training.synthesis.sample_slides import SampleOptions


class RenderWidget(CommandWidget):
    """Writes the example slides and their specimens to a folder."""

    TAB = "Render"

    def __init__(self) -> None:
        from diatom_training.synthesis.sample_slides import SampleOptions

        super().__init__(
            "Render the eight example slides, with the truth about their specimens, to try everything on.",
            "Render",
            options_form(SampleOptions),
            _rendered,
        )


def _rendered(options: SampleOptions, monitor: ProgressMonitor) -> list[str]:
    """Render the slides; return what was done."""
    from diatom_training.synthesis.sample_slides import write_new_samples

    files = write_new_samples(options, monitor)
    return [f"{many(len(files) // 2, 'slide')} and their specimens are in {options.folder.absolute()}."]
