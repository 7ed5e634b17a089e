"""What the layers of the open image of a project show, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_diatom.napari_layers import project_layer
from napari_diatom.napari_layers.project_layer import By
from napari_diatom.project.document import Document
from napari_diatom.project.settings import ProjectClass
from napari_diatom.project.specimen import Specimen


@dataclass
class CanvasState:
    """What the layers of a canvas show, and how they show it.

    Attributes
    ----------
    document : Document or None
        The annotations of the open image.
    image : napari.layers.Image or None
        The layer of the open image.
    pixel_size_um : float or None
        Micrometres per pixel of the open image, where that is known.
    classes : tuple of ProjectClass
        The classes of the project.
    new_class : str
        The class of the next specimen that is drawn. Empty if the project has no classes.
    by : str
        What colours and labels stand for.
    edge_width : float
        Width of lines in pixels of the image.
    """

    document: Document | None = None
    image: Image | None = None
    pixel_size_um: float | None = None
    classes: tuple[ProjectClass, ...] = ()
    new_class: str = ""
    by: By = "class"
    edge_width: float = 1.0

    def class_of(self, name: str) -> str:
        """Return the class that a proposal called ``name`` gets when it is accepted.

        A proposal keeps its own class if the project has that class. Otherwise it gets the chosen class.
        """
        return name if name in {known.name for known in self.classes} else self.new_class or name

    def colours_of(self, some: Sequence[Specimen]) -> NDArray[np.float32]:
        """Return the colours of N specimens, shape (N, 4), red to alpha of 0..1."""
        return project_layer.colours(some, self.classes, self.by)

    def label_of(self, specimen: Specimen) -> str:
        """Return the text beside a specimen."""
        return project_layer.label(specimen, self.pixel_size_um, self.by)

    def size_text(self, box: NDArray[np.float64]) -> str:
        """Return length and width of a box as text."""
        return project_layer.size_text(box, self.pixel_size_um)
