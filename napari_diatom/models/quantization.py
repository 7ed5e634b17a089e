"""A model's graph in whole numbers of 8 bits, beside its weights: what its card says of it, and whether it is sound."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from napari_diatom.core.archives import regular
from napari_diatom.core.errors import InputError
from napari_diatom.core.validation_messages import Digest

GRAPH_FILES: Final = ("int8.xml", "int8.bin")
"""OpenVINO's graph in a model's folder, and its weights."""
LARGEST_GRAPH: Final = (2**26, 2**31)
"""Bytes of each."""

MOST_LOSS: Final = 0.005
"""AP50 that may be lost where a model is to run in 8 bits without being asked to."""
MOST_SHIFT_PX: Final = 0.5
"""Pixels that the corners of boxes may have moved by on average, for the same."""

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class QuantizationFacts(BaseModel):
    """What a card says of a model's graph in 8 bits.

    Attributes
    ----------
    sha256 : str
        Of the two files of the graph, one after the other, in hexadecimal.
    ap50_loss : float
        AP50 of the boxes in single precision less that in 8 bits, on the same images.
    box_shift_px : float
        Mean distance, in pixels of the images, between a corner of a box in single precision and the same corner in
        8 bits.
    specimens : int
        That both were measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Digest
    ap50_loss: _Finite
    box_shift_px: _Finite = Field(ge=0)
    specimens: int = Field(ge=0)

    @property
    def proven(self) -> bool:
        """Whether little enough is lost that the graph is used where nobody asks for single precision."""
        return self.specimens > 0 and self.ap50_loss <= MOST_LOSS and self.box_shift_px < MOST_SHIFT_PX


def graph_digest(folder: Path) -> str:
    """Return the SHA-256 of the graph in 8 bits in a folder, in hexadecimal.

    Raises
    ------
    InputError
        When a file is none, cannot be read, or is larger than a graph may be.
    """
    digest = hashlib.sha256()
    for name, largest in zip(GRAPH_FILES, LARGEST_GRAPH, strict=True):
        with regular(folder / name) as stream:
            if stream.seek(0, os.SEEK_END) > largest:
                raise InputError(f"{name} is larger than {largest / 2**20:,.0f} MB.")
            stream.seek(0)
            while piece := stream.read(2**20):
                digest.update(piece)
    return digest.hexdigest()


def graph_fault(facts: QuantizationFacts, folder: Path) -> str:
    """Return what is wrong with the graph in a folder, the end of a sentence without full stop; empty if nothing."""
    try:
        digest = graph_digest(folder)
    except (InputError, OSError) as error:
        return f"cannot be read: {error}".rstrip(".")
    return "" if digest == facts.sha256 else "is damaged or was changed: its SHA-256 is another than the card's"
