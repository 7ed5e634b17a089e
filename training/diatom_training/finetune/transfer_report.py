"""What a training takes over from its start, and what begins by chance: a sentence, and a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from diatom_training.finetune.initial_weights import InitialWeights
from diatom_training.learning.backbones import backbone_of
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.text import many
from napari_diatom.engines.networks import build
from napari_diatom.models.card import ActivationFunction

NAMED: Final = 3
"""Parts of a network, or tensors of a file, that the sentence names."""


@dataclass(frozen=True)
class TransferReport:
    """Which tensors begin with what.

    Attributes
    ----------
    start : str
        What the training starts from, in words.
    taken, by_chance : tuple of str
        Tensors of the network that are taken over, and that are not.
    unused : tuple of str
        Tensors of the start that have no place in the network.
    """

    start: str
    taken: tuple[str, ...]
    by_chance: tuple[str, ...]
    unused: tuple[str, ...]

    def sentence(self) -> str:
        """Return the same for a person."""
        if not self.taken:
            return "All weights begin by chance."
        whole = len(self.taken) + len(self.by_chance)
        text = f"{len(self.taken)} of the {many(whole, 'tensor')} of the network come from {self.start}"
        if self.by_chance:
            parts = dict.fromkeys(name.partition(".")[0] for name in self.by_chance)
            text += f"; {len(self.by_chance)} begin by chance, in {_some(list(parts))}"
        if self.unused:
            text += f"; {len(self.unused)} of the start have no place, such as {_some(self.unused)}"
        return f"{text}."

    def write(self, path: Path) -> None:
        """Write a table, a row for each tensor. Raises OutputError where it cannot be written."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("tensor", "begins"))
        for names, what in ((self.taken, "taken over"), (self.by_chance, "by chance"), (self.unused, "not used")):
            rows.writerows((name, what) for name in names)
        write_atomically(path, text.getvalue())


def compare_start(
    begin: InitialWeights, classes: Sequence[str], activation_function: ActivationFunction | None = None
) -> TransferReport:
    """Return what a network of some classes takes over.

    Parameters
    ----------
    begin : InitialWeights
        What the training starts from.
    classes : sequence of str
        Of the network.
    activation_function : str, optional
        Of the network.
    """
    network = build(begin.architecture, len(classes), activation_function=activation_function)
    own = network.state_dict()
    given: dict[str, torch.Tensor] = dict(begin.weights_for(tuple(classes)) or {})
    if begin.backbone is not None:
        backbone = backbone_of(network)
        place = next(name for name, part in network.named_modules() if part is backbone)
        given |= {f"{place}.{name}": value for name, value in begin.backbone.items()}
    taken = tuple(name for name in own if _fits(name, own, given))
    unused = begin.unused or tuple(name for name in given if not _fits(name, own, given))
    return TransferReport(begin.text, taken, tuple(name for name in own if name not in set(taken)), unused)


def _fits(name: str, own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether a tensor is on both sides in the same shape."""
    return name in own and name in given and own[name].shape == given[name].shape


def _some(names: Sequence[str]) -> str:
    """Return the first names."""
    return ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")
