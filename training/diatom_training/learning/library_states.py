"""States of timm's, torchvision's and segmentation-models' networks as a start: which tensor goes where.

Libraries call the same tensor by different names: ``layer1.0.conv1.weight`` of a file is
``encoder.model.layer1.0.conv1.weight`` of a network of maps here, and torchvision's transformers have names of their
own (:mod:`~diatom_training.learning.torchvision_names`). Nothing is guessed from sizes alone, but for files
whose tensors have, all of them and in order, the shapes of timm's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from diatom_training.learning.backbones import backbone_of
from diatom_training.learning.torchvision_names import names_in_timm
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import torch_checkpoint
from napari_diatom.engines.encoders import TIMM
from napari_diatom.models.architecture_names import FAMILIES, name_parts
from napari_diatom.models.card import LARGEST_WEIGHTS
from napari_diatom.models.finite_weights import check_numbers

SUFFIXES: Final = (".pth", ".pt", ".safetensors")
"""Of files that hold the state of a library's network."""
_WITHIN: Final = ("state_dict", "model_state_dict", "model_state", "model", "net", "ema", "weights")
"""Entries of a checkpoint in which its network's state may lie."""
_BEFORE: Final = (
    *("", "module.", "model.", "network.", "net.", "encoder.", "encoder.model.", "backbone.", "backbone.body."),
    *("model.encoder.", "module.encoder.", "backbone.model."),
)
"""What the names of a file's tensors may begin with, before what they are called in the network."""
_COUNTER: Final = "num_batches_tracked"
LEAST_SHARE: Final = 0.5
"""Share of a backbone's tensors below which a file is one of another network."""


@dataclass(frozen=True, eq=False)
class FittedState:
    """What of a library's state goes into a network.

    Attributes
    ----------
    tensors : dict of str to Tensor
        By the network's names.
    unused : tuple of str
        Names, in the file, of what has no place.
    """

    tensors: dict[str, torch.Tensor]
    unused: tuple[str, ...]


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by the names that they have there; nothing in the file is run.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a PyTorch file with a table of tensors, alone or within a checkpoint.

    Raises
    ------
    InputError
        When it cannot be read, holds no table of tensors, or values that are infinite or not numbers.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            if path.stat().st_size > LARGEST_WEIGHTS:
                raise ModelError(f"it is larger than {LARGEST_WEIGHTS / 2**30:.0f} GB.")
            check_numbers(path)
            from safetensors.torch import load_file

            return {name: _single(value) for name, value in load_file(path).items()}
        with torch_checkpoint.open_checkpoint(path) as file:
            content = torch_checkpoint.mapping(file.content)
            inner = next(
                (content[name] for name in _WITHIN if torch_checkpoint.mapping(content.get(name))), file.content
            )
            return {name: _single(value) for name, value in file.tensors(inner).items()}
    except OSError as error:
        raise InputError(f"{path} cannot be read as weights: {error.strerror or error}") from error
    except ModelError as error:
        raise InputError(f"{path} cannot be read as weights: {error}") from None


def fit_state(state: Mapping[str, torch.Tensor], network: torch.nn.Module, architecture: str) -> FittedState:
    """Return what of a state goes into a network: into all of it where the file is of a whole one, else its backbone.

    Parameters
    ----------
    state : mapping of str to Tensor
        See :func:`read_state`.
    network : torch.nn.Module
        Of that architecture, untrained.
    architecture : str
        For messages, and for the names of timm.

    Raises
    ------
    InputError
        When less than half of the backbone's tensors are there.
    """
    backbone = backbone_of(network)
    place = next(name for name, part in network.named_modules() if part is backbone)
    prefix = f"{place}." if place else ""
    own = network.state_dict()
    found = _best(state, own, prefix)
    if _share(found, prefix, own) < LEAST_SHARE:
        called = names_in_timm(state) or _order_in_timm(state, architecture)
        renamed = {theirs: _of_shape(state[name], own, f"{prefix}{theirs}") for theirs, name in called.items()}
        found = {name: called[theirs] for name, theirs in _best(renamed, own, prefix).items()}
    if _share(found, prefix, own) < LEAST_SHARE:
        there = sum(name.startswith(prefix) and not name.endswith(_COUNTER) for name in own)
        taken = sum(name.startswith(prefix) and not name.endswith(_COUNTER) for name in found)
        raise InputError(
            f"the file has {taken} of the {there} tensors of the backbone of {architecture}, so it is of another "
            "network; choose the architecture that it was made with."
        )
    used = set(found.values())
    unused = tuple(name for name in state if name not in used and not name.endswith(_COUNTER))
    return FittedState({name: state[theirs].reshape(own[name].shape) for name, theirs in found.items()}, unused)


def _best(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], prefix: str) -> dict[str, str]:
    """Return the names in the file by those in the network, under the reading that finds most tensors a place."""
    best: dict[str, str] = {}
    for before in _BEFORE:
        if before and not any(name.startswith(before) for name in state):
            continue
        theirs = {_plain(name.removeprefix(before)): name for name in state if name.startswith(before)}
        for ours in dict.fromkeys(("", prefix)):
            found = {
                name: theirs[called]
                for name, value in own.items()
                if name.startswith(ours)
                and (called := _plain(name.removeprefix(ours))) in theirs
                and state[theirs[called]].shape == value.shape
            }
            if len(found) > len(best):
                best = found
    return best


def _plain(name: str) -> str:
    """Return a name without the marks by which libraries join its parts: timm's pyramids have ``_`` for ``.``."""
    return name.replace(".", "_")


def _share(found: Mapping[str, str], prefix: str, own: Mapping[str, torch.Tensor]) -> float:
    """Return which share of the backbone's tensors was found."""
    wanted = [name for name in own if name.startswith(prefix) and not name.endswith(_COUNTER)]
    return sum(name in found for name in wanted) / max(len(wanted), 1)


def _order_in_timm(state: Mapping[str, torch.Tensor], architecture: str) -> dict[str, str]:
    """Return a file's names by timm's where its tensors have, all of them in order, the shapes of timm's network."""
    parts = name_parts(architecture)
    if parts is None or FAMILIES[parts.family].encoders not in ("timm", "maps"):
        return {}
    import timm

    name = parts.encoder.removeprefix(TIMM)
    if name not in timm.list_models():
        return {}
    named = timm.create_model(name, pretrained=False).state_dict()
    for ours, theirs in ((named, state), (_without_counters(named), _without_counters(state))):
        if list(map(_core, ours.values())) == list(map(_core, theirs.values())):
            return dict(zip(ours, theirs, strict=True))
    return {}


def _core(value: torch.Tensor) -> tuple[int, ...]:
    """Return a shape without ones at its end: a linear layer is a convolution of one pixel."""
    sides = list(value.shape)
    while sides and sides[-1] == 1:
        sides.pop()
    return tuple(sides)


def _of_shape(value: torch.Tensor, own: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """Return a tensor in the shape of the network's one of a name, where they differ by ones at the end."""
    return value.reshape(own[name].shape) if name in own and _core(own[name]) == _core(value) else value


def _without_counters(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state without what normalization counts: older files have none."""
    return {name: value for name, value in state.items() if not name.endswith(_COUNTER)}


def _single(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor in single precision where it holds fractions."""
    return value.float() if value.is_floating_point() else value
