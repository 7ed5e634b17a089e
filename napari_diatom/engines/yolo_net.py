"""YOLO networks as torch modules: build by name, read checkpoints without running code that they name."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, cast

import torch

from napari_diatom.engines.quiet import silence_ultralytics
from napari_diatom.errors import ModelError

LAYER_MODULES: Final = ("torch.nn.modules.", "ultralytics.nn.modules.", "ultralytics.nn.tasks.")
"""Where the layer types that a checkpoint may name are defined."""


def build(architecture: str, n_classes: int) -> torch.nn.Module:
    """Return an untrained network, such as ``yolo11n-obb`` (oriented boxes) or ``yolo11n`` (upright ones).

    Raises
    ------
    ModelError
        When Ultralytics knows no such architecture.
    """
    silence_ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel, OBBModel

    kind = OBBModel if architecture.endswith("-obb") else DetectionModel
    try:
        with redirect_stdout(StringIO()):
            network = kind(f"{architecture}.yaml", ch=3, nc=n_classes, verbose=False)
    except (FileNotFoundError, OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"Unknown YOLO architecture {architecture!r}; yolo11n-obb, yolo11s-obb, yolo11n and yolo11s are some of "
            "the known ones."
        ) from error
    network.args = get_cfg()
    return cast(torch.nn.Module, network)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What an Ultralytics ``.pt`` file holds.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The weights, in single precision.
    classes : tuple of str
        Class names.
    architecture : str
        Such as ``yolo11s-obb``; empty where the file does not say.
    image_size : int
        Side in pixels of the images it was trained on.
    """

    tensors: dict[str, torch.Tensor]
    classes: tuple[str, ...]
    architecture: str
    image_size: int


def read_checkpoint(path: Path) -> Checkpoint:
    """Read an Ultralytics ``.pt`` file, allowing only known layer types in it.

    Raises
    ------
    ModelError
        When the file is no checkpoint, or asks for code outside the allow-list (which is named).
    """
    silence_ultralytics()
    import ultralytics.nn.tasks  # noqa: F401 - loads the layer modules that the allow-list looks into
    from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

    try:
        wanted = get_unsafe_globals_in_checkpoint(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path} is no PyTorch checkpoint: {str(error).splitlines()[0]}") from error
    allowed: list[Any] = []
    refused: list[str] = []
    for name in wanted:
        module, _, attribute = name.rpartition(".")
        home = sys.modules.get(module) if f"{module}.".startswith(LAYER_MODULES) else None
        found = getattr(home, attribute, None)
        if isinstance(found, type) and issubclass(found, torch.nn.Module) and found.__module__ == module:
            allowed.append(found)
        else:
            refused.append(name)
    if refused:
        raise ModelError(f"{path} asks for code that a weights file must not need: {', '.join(sorted(refused))}.")
    with safe_globals(allowed):
        content = torch.load(path, map_location="cpu", weights_only=True)
    network = (content.get("ema") or content.get("model")) if isinstance(content, dict) else None
    if not isinstance(network, torch.nn.Module):
        raise ModelError(f"{path} holds no Ultralytics model.")
    names = getattr(network, "names", {})
    classes = tuple(str(name) for name in (names.values() if isinstance(names, dict) else names))
    described = getattr(network, "yaml", {})
    trained = content.get("train_args") or {}
    size = trained.get("imgsz", 640)
    return Checkpoint(
        tensors={key: value.float() for key, value in network.state_dict().items()},
        classes=classes,
        architecture=Path(str(described.get("yaml_file", ""))).stem,
        image_size=int(max(size) if isinstance(size, list | tuple) else size),
    )


class RawOutput(torch.nn.Module):
    """A network whose head gives its raw numbers, as :func:`napari_diatom.engines.yolo_decode.decode` reads them."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        network.eval()
        self.network = cast(Any, network).fuse(verbose=False)
        self.head = self.network.model[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, H, W), to shape (B, channels, anchors)."""
        features: list[torch.Tensor | None] = []
        value: Any = images
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
