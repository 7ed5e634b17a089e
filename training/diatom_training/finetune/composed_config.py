"""The part of a training's settings on slides composed of its own material."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, model_validator

from diatom_training.composing.options import ComposeOptions

FOLLOWING_FIELDS: Final = ("size", "scale")
"""Entries of the options for composing that follow from the crops and from the scales of the real slides."""


class ComposedConfig(ComposeOptions):
    """Slides composed of one's own material, to learn from before the real ones.

    Beside these, it takes the entries of :class:`~diatom_training.composing.options.ComposeOptions`, but for ``size``
    and ``scale``: composed slides are as large as crops need them, and at the scales of the real ones.

    Attributes
    ----------
    count : int
        Number of composed slides.
    epochs : int
        Epochs on the composed slides, each as long as one on the real slides.
    atlas : Path or None
        Folder of atlas images with one valve each, a subfolder for each taxon; these valves are used beside those of
        the training part.
    atlas_pixel_size_um : float or None
        Micrometres per pixel of atlas images that do not hold their own.
    seed : int
        Random seed of the composed slides.
    """

    count: int = Field(default=200, ge=1, title="Slides")
    epochs: int = Field(default=6, ge=1)
    atlas: Path | None = Field(default=None, json_schema_extra={"path": "folder"})
    atlas_pixel_size_um: float | None = Field(default=None, gt=0, json_schema_extra={"none": "unknown"})
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _without_fields(cls, data: Any) -> Any:
        """Refuse what follows from the training."""
        refused = [name for name in FOLLOWING_FIELDS if isinstance(data, Mapping) and name in data]
        if refused:
            raise ValueError(f"there is no {' and no '.join(refused)} here: crops and real slides give them")
        return data

    def options(self, size: int, scale: tuple[float, float]) -> ComposeOptions:
        """Return how slides of a side in pixels are composed at a range of scales.

        Raises
        ------
        InputError
            When the scale is out of the range in which slides can be composed.
        """
        names = set(ComposeOptions.model_fields) - set(FOLLOWING_FIELDS)
        return ComposeOptions.of(self.model_dump(include=names) | {"size": size, "scale": scale})
