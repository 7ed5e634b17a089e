"""The state of the forms that find specimens and name taxa, and why they cannot start, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM
from napari_diatom.widgets.common.image_layers import ImageChoice


@dataclass(frozen=True)
class RunForm:
    """The settings of a run.

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
        Whether a run is in progress.
    """

    image: ImageChoice | None = None
    model: str | None = None
    pixel_size_um: float | None = None
    device: str = "auto"
    running: bool = False

    def validation_error(self) -> str | None:
        """Return why a run cannot start, in one line, or None if it can."""
        if self.running:
            return "A run is in progress; cancel it first."
        if self.image is None:
            return "Open an image first: drop a micrograph onto the viewer."
        if not self.image.flat:
            return f"{self.image.name} is shown in 3D or with other axes; show its planes in 2D."
        if self.image.height < 1 or self.image.width < 1:
            return f"{self.image.name} has no pixels."
        if self.model is None:
            return "No model for this task is installed."
        if self.pixel_size_um is not None and not SMALLEST_UM <= self.pixel_size_um <= LARGEST_UM:
            return (
                f"A pixel size of {self.pixel_size_um:g} µm is not possible; "
                f"enter {SMALLEST_UM:g} to {LARGEST_UM:g} µm per pixel, or 0 if it is unknown."
            )
        return None


@dataclass(frozen=True)
class NamingForm:
    """The settings and the specimens of a naming.

    Attributes
    ----------
    classifier : str or None
        Name of the chosen classifier.
    image : str or None
        Name of the image of the shown result, None without a result.
    opened : bool
        Whether that image is open in the viewer.
    specimens : int
        Number of specimens of the result.
    running : bool
        Whether a run is in progress.
    """

    classifier: str | None = None
    image: str | None = None
    opened: bool = True
    specimens: int = 0
    running: bool = False

    def validation_error(self) -> str | None:
        """Return why taxa cannot be named, in one line, or None if they can."""
        if self.running:
            return "A run is in progress; cancel it first."
        if self.classifier is None:
            return (
                "No classifier is installed, and none is bundled. Train one on your own specimens (Fine-tune a model, "
                "or napari-diatom train, with task: classes), or choose the folder of one."
            )
        if self.image is None or not self.specimens:
            return "There are no specimens to name; run a detection first."
        if not self.opened:
            return f"Open {self.image} first; the classifier needs its pixels."
        return None
