"""The state of the forms that start a run, or the naming of taxa, and what is wrong with it, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM
from napari_diatom.widgets.common.image_layers import ImageChoice


@dataclass(frozen=True)
class RunForm:
    """Everything that can be set before a run.

    Attributes
    ----------
    image : ImageChoice or None
        The chosen image layer.
    model : str or None
        Name of the chosen model.
    pixel_size_um : float or None
        Micrometres per pixel, None while unknown.
    device : str
        Where the network runs.
    running : bool
        Whether a run is under way.
    """

    image: ImageChoice | None = None
    model: str | None = None
    pixel_size_um: float | None = None
    device: str = "auto"
    running: bool = False

    def validation_error(self) -> str | None:
        """Return why a run cannot start, in one line, or None where it can."""
        if self.running:
            return "A run is under way; cancel it first."
        if self.image is None:
            return "Open an image first: drop a micrograph onto the viewer."
        if not self.image.flat:
            return f"{self.image.name} is shown as a volume or with turned axes; show its planes in 2-D."
        if self.image.height < 1 or self.image.width < 1:
            return f"{self.image.name} has no pixels."
        if self.model is None:
            return "No model for this is installed."
        if self.pixel_size_um is not None and not SMALLEST_UM <= self.pixel_size_um <= LARGEST_UM:
            return (
                f"A pixel size of {self.pixel_size_um:g} µm cannot be right; "
                f"give {SMALLEST_UM:g} to {LARGEST_UM:g} µm per pixel, or 0 for unknown."
            )
        return None


@dataclass(frozen=True)
class NamingForm:
    """Everything that matters before specimens are named.

    Attributes
    ----------
    namer : str or None
        Name of the chosen model.
    image : str or None
        Name of the image of the result that is shown; None without a result.
    opened : bool
        Whether that image is open in the viewer.
    specimens : int
        Of the result.
    running : bool
        Whether a run is under way.
    """

    namer: str | None = None
    image: str | None = None
    opened: bool = True
    specimens: int = 0
    running: bool = False

    def validation_error(self) -> str | None:
        """Return why taxa cannot be named, in one line, or None where they can."""
        if self.running:
            return "A run is under way; cancel it first."
        if self.namer is None:
            return (
                "No model that names taxa is installed, and none is bundled: train one on your own specimens "
                "(Fine-tune a model, or napari-diatom train, with task: classes), or choose the folder of one."
            )
        if self.image is None or not self.specimens:
            return "There are no specimens to name: find some first."
        if not self.opened:
            return f"Open {self.image} first: taxa are told by its pixels."
        return None
