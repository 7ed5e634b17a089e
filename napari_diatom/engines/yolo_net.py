"""YOLO networks as torch modules: build by name, read Ultralytics' files without running anything in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, cast

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import activation_functions, torch_checkpoint
from napari_diatom.engines.inert_pickle import ReducedObject
from napari_diatom.engines.yolo_layouts import layout
from napari_diatom.models.architecture_names import YOLO
from napari_diatom.models.card import MOST_CLASSES, ActivationFunction

USUAL_SIDE: Final = 640
"""Of Ultralytics' training images in pixels."""


def build(architecture: str, n_classes: int, activation_function: ActivationFunction | None = None) -> torch.nn.Module:
    """Return an untrained network, such as ``yolo11n-obb`` (oriented boxes) or ``yolo11n`` (upright ones).

    With ``activation_function`` that stands in all its layers in place of the SiLU.

    Raises
    ------
    ModelError
        When there is no such architecture; see :func:`napari_diatom.engines.yolo_layouts.layout`.
    """
    table = layout(architecture)
    # Ultralytics' layers have tensors as class attributes, which would stay on the device that is chosen for this call.
    with torch.device("cpu"):
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.tasks import DetectionModel, OBBModel

    kind = OBBModel if architecture.endswith("-obb") else DetectionModel
    with redirect_stdout(StringIO()):
        network = kind(table, ch=3, nc=n_classes, verbose=False)
    network.args = get_cfg()
    if activation_function is not None:
        activation_functions.exchange(network, activation_function)
    return cast(torch.nn.Module, network)


@dataclass(frozen=True, eq=False)
class UltralyticsCheckpoint:
    """What an Ultralytics ``.pt`` file holds.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The weights, in single precision.
    classes : tuple of str
        Class names.
    architecture : str
        Such as ``yolo11s-obb``, by what the file says or else how it is called; empty where that is none that is known.
    image_size : int
        Side in pixels of the images it was trained on.
    """

    tensors: dict[str, torch.Tensor]
    classes: tuple[str, ...]
    architecture: str
    image_size: int

    def known_architecture(self) -> str:
        """Return the architecture. Raises ModelError where the file does not say which of the known ones it is of."""
        if not self.architecture:
            raise ModelError(
                "it does not name a known architecture. If you know it, put it in the file name, such as "
                "yolo11n-obb.pt."
            )
        return self.architecture


def read_checkpoint(path: Path) -> UltralyticsCheckpoint:
    """Read an Ultralytics ``.pt`` file. Nothing in it is run: see :mod:`napari_diatom.engines.torch_checkpoint`.

    Raises
    ------
    ModelError
        When the file is not a checkpoint, or holds no Ultralytics model.
    """
    with torch_checkpoint.open_checkpoint(path) as file:
        content = torch_checkpoint.mapping(file.content)
        network = content.get("ema") or content.get("model")
        if not isinstance(network, ReducedObject) or not isinstance(network.state, dict):
            asks = (
                f"; it asks for code instead, which is not run: {network.maker}"
                if isinstance(network, ReducedObject)
                else ""
            )
            raise ModelError(f"{path} holds no Ultralytics model{asks}.")
        trained = torch_checkpoint.mapping(content.get("train_args")).get("imgsz")
        return UltralyticsCheckpoint(
            tensors={name: value.float() for name, value in file.state_dict(network).items()},
            classes=_classes(network.state.get("names"), path),
            architecture=_architecture(network.state.get("yaml")) or _architecture({"yaml_file": path.name}),
            image_size=_side(trained),
        )


def _classes(names: object, path: Path) -> tuple[str, ...]:
    """Return the class names of a saved network: a list, or a dict of their numbers."""
    table = torch_checkpoint.mapping(names)
    listed = [table[key] for key in range(len(table))] if table.keys() == set(range(len(table))) else [*table.values()]
    found = listed or (names if isinstance(names, list | tuple) else ())
    if not 0 < len(found) <= MOST_CLASSES or not all(_is_line(name) for name in found):
        raise ModelError(f"{path} holds no class names that can be read.")
    return tuple(found)


def _is_line(name: object) -> bool:
    """Tell whether a name can stand in a table: text without line breaks, control characters and half characters."""
    return isinstance(name, str) and not any(unicodedata.category(mark) in ("Cc", "Cs", "Zl", "Zp") for mark in name)


def _architecture(described: object) -> str:
    """Return the name of a saved network's architecture, nothing where it is none that is known."""
    file = torch_checkpoint.mapping(described).get("yaml_file")
    name = re.split(r"[/\\]", file)[-1].rpartition(".")[0] if isinstance(file, str) else ""
    return name if YOLO.fullmatch(name) else ""


def _side(size: object) -> int:
    """Return the side of the images that a network was trained on, Ultralytics' default where it is not stated."""
    sides = [side for side in (size if isinstance(size, list | tuple) else (size,)) if type(side) is int]
    return max(0, *sides) if sides else USUAL_SIDE


class RawOutput(torch.nn.Module):
    """A network whose head gives its raw numbers, as :func:`napari_diatom.engines.yolo_decode.decode` reads them.

    Parameters
    ----------
    network : torch.nn.Module
        As :func:`build` returns it, trained.
    mean, std : sequence of float
        By which its images are standardized, per channel.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: torch.nn.Module, mean: Sequence[float] = (0.0,) * 3, std: Sequence[float] = (1.0,) * 3
    ) -> None:
        super().__init__()
        # What is usual for YOLO is left out of the graph.
        self.standardizes = any(mean) or any(value != 1 for value in std)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(tuple(std)).view(1, -1, 1, 1))
        network.eval()
        self.network = cast(Any, network).fuse(verbose=False)
        self.head = self.network.model[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, H, W), to shape (B, channels, anchors)."""
        features: list[torch.Tensor | None] = []
        value: Any = (images - self.mean) / self.std if self.standardizes else images
        for layer in self.network.model[:-1]:
            value = layer(_inputs(layer.f, value, features))
            features.append(value if layer.i in self.network.save else None)
        raw = self.head.forward_head(_inputs(self.head.f, value, features), **self.head.one2many)
        parts = [raw[name] for name in ("boxes", "scores", "angle") if name in raw]
        return torch.cat(parts, dim=1)


def _inputs(source: int | list[int], value: Any, features: list[torch.Tensor | None]) -> Any:
    """Return what a layer reads: the layer before it (-1) or the kept outputs of earlier ones."""
    if isinstance(source, int):
        return value if source == -1 else features[source]
    return [value if index == -1 else features[index] for index in source]
