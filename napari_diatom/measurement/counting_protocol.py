"""The counting protocol: the statuses whose specimens count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from napari_diatom.core.detections import STATUSES, Detections
from napari_diatom.core.errors import InputError

DEFAULT_COUNTED: Final = ("valve", "girdle", "frustule", "unidentified", "teratological")
"""Statuses that count unless the protocol says otherwise: all but broken valves."""


@dataclass(frozen=True)
class Protocol:
    """The counting protocol: each specimen of a counted status is one object, whole or cut by the image's edge.

    Attributes
    ----------
    counted : tuple of str
        Statuses that count, in the order of :data:`~napari_diatom.core.detections.STATUSES`.
    """

    counted: tuple[str, ...] = field(default=DEFAULT_COUNTED)

    def __post_init__(self) -> None:
        unknown = [name for name in self.counted if name not in STATUSES]
        if unknown:
            raise InputError(f"Unknown status {', '.join(unknown)}; known are {', '.join(STATUSES)}.")
        if not self.counted:
            raise InputError(f"At least one status must count; known are {', '.join(STATUSES)}.")

    @classmethod
    def of(cls, counted: Sequence[str]) -> Protocol:
        """Return the protocol that counts these statuses, given in any order.

        Raises
        ------
        InputError
            When none is given, or one is unknown.
        """
        known = sorted({name for name in counted if name in STATUSES}, key=STATUSES.index)
        return cls((*known, *(name for name in counted if name not in STATUSES)))

    def counts(self, detections: Detections) -> dict[str, int]:
        """Return how many specimens of each class count, in the order of the classes, zeros included."""
        codes = [STATUSES.index(name) for name in self.counted]
        counting = np.isin(detections.status, codes)
        numbers = np.bincount(detections.class_ids[counting], minlength=len(detections.classes))
        return {name: int(number) for name, number in zip(detections.classes, numbers, strict=True)}
