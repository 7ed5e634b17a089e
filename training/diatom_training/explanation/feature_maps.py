"""Feature maps of a network's layers: what each of its filters answers, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from diatom_training.explanation.explanation import DEPTHS, FeatureMaps

SHOWN: Final = 8
"""Maps of a layer that are shown."""
_FINEST: Final = 3.5
"""Pixels of the picture to a cell from which a layer counts; finer ones see a few pixels each."""


def chosen_maps(levels: Sequence[torch.Tensor], width: int) -> tuple[FeatureMaps, ...]:
    """Return maps of a shallow, a middle and a deep layer, of each those that vary most over the picture.

    Parameters
    ----------
    levels : sequence of Tensor, each of shape (1, channels, rows, columns)
        What the layers give, from the first to the last.
    width : int
        Of the picture in pixels.
    """
    coarse = [level for level in levels if width / level.shape[-1] >= _FINEST] or list(levels)
    chosen = (coarse[0], coarse[len(coarse) // 2], coarse[-1])
    return tuple(_most_varied(depth, level, width) for depth, level in zip(DEPTHS, chosen, strict=True))


def _most_varied(depth: str, level: torch.Tensor, width: int) -> FeatureMaps:
    maps = level.detach()[0].float().cpu().numpy()
    order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:SHOWN]
    channels = tuple(int(channel) for channel in order)
    return FeatureMaps(depth, width / maps.shape[-1], channels, len(maps), np.ascontiguousarray(maps[order]))
