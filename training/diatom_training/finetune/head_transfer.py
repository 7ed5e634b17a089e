"""Heads for new classes, from those of a model that knew others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import torch

_PER_CLASS: Final = (1, 4)
"""Rows of a head's last layer for each class: a score, or the four sides of a box."""
_LAST: Final = re.compile(
    r"(\.cv3\.\d+\.2|box_predictor\.(cls_score|bbox_pred)|mask_predictor\.mask_fcn_logits"
    r"|^segmentation_head(\.\d+)?|^classifier\.4|^head)\.(weight|bias)$"
)
"""Names of the tensors that answer for classes: of YOLO, networks of two stages, maps and classifiers."""
_OF_ANCHORS: Final = re.compile(r"^head\.classification_head\.(cls_logits|module_list\.\d+(\.\d+)?)\.(weight|bias)$")
"""The same of torchvision's networks of one stage, whose layers answer for all classes anchor by anchor."""


def for_classes(
    weights: Mapping[str, torch.Tensor], network: Mapping[str, torch.Tensor], old: Sequence[str], new: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Return weights whose last layers answer for new classes.

    A class that the old network knew by its name keeps its rows; any other one begins as the mean of the old classes,
    so that what is found from the first step on is what the old network took for any of them, and only the names are
    still to be learned. Rows of the background stay.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Of the old network.
    network : mapping of str to Tensor
        Of the new network, for the shapes.
    old, new : sequence of str
        Their classes, without the background.
    """
    if not old or tuple(old) == tuple(new):
        return dict(weights)
    moved = {}
    for name, tensor in weights.items():
        wanted = network.get(name)
        if wanted is not None and _OF_ANCHORS.search(name) and tensor.shape[1:] == wanted.shape[1:]:
            moved[name] = _moved_by_anchor(tensor, len(wanted), old, new)
            continue
        if wanted is None or not _LAST.search(name) or tensor.shape[1:] != wanted.shape[1:]:
            moved[name] = tensor
            continue
        rows = _rows(len(tensor), len(wanted), len(old), len(new))
        moved[name] = tensor if rows is None else _moved(tensor, *rows, old, new)
    return moved


def _rows(old_rows: int, new_rows: int, old: int, new: int) -> tuple[int, int] | None:
    """Return the rows per class, and those of the background, of a layer that answers for classes; None for others."""
    for each in _PER_CLASS:
        for background in (0, 1):
            if old_rows == each * (background + old) and new_rows == each * (background + new):
                return each, each * background
    return None


def _moved_by_anchor(tensor: torch.Tensor, rows: int, old: Sequence[str], new: Sequence[str]) -> torch.Tensor:
    """Return the rows of new classes of a layer that answers for background and classes, anchor by anchor."""
    anchors = len(tensor) // (1 + len(old))
    if (len(tensor), rows) != (anchors * (1 + len(old)), anchors * (1 + len(new))):
        return tensor
    parts = [_moved(part, 1, 1, old, new) for part in tensor.reshape(anchors, 1 + len(old), *tensor.shape[1:])]
    return torch.cat(parts)


def _moved(tensor: torch.Tensor, each: int, first: int, old: Sequence[str], new: Sequence[str]) -> torch.Tensor:
    """Return the rows of new classes."""
    known = {name: tensor[first + k * each : first + (k + 1) * each] for k, name in enumerate(old)}
    mean = torch.stack(list(known.values())).mean(dim=0)
    return torch.cat([tensor[:first], *(known.get(name, mean) for name in new)])
