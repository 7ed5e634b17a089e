"""The ImageNet weights that libraries publish, and where to lay them on a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from diatom_training.learning.library_states import SUFFIXES, read_state
from napari_diatom.core.errors import ModelError
from napari_diatom.engines.encoders import TIMM, check_encoder, timm_name
from napari_diatom.models.architecture_names import ALEXNET, FAMILIES, NameParts, name_parts
from napari_diatom.models.library import user_folder


def backbones_folder() -> Path:
    """Return the folder in which weights of backbones are looked for before they are downloaded."""
    return user_folder().parent / "backbones"


def published_state(architecture: str) -> dict[str, torch.Tensor]:
    """Return the ImageNet weights of an architecture's backbone, by its library's names.

    Those in :func:`backbones_folder` go first; else the library downloads them, once.

    Raises
    ------
    ModelError
        When there are none, or they cannot be had; the message says which file to lay where.
    InputError
        When a file in that folder cannot be read.
    """
    parts = name_parts(architecture)
    if parts is None:
        raise ModelError(f"{architecture} has no backbone that is published with ImageNet weights.")
    name = parts.encoder.removeprefix(TIMM)
    for suffix in SUFFIXES:
        laid = backbones_folder() / f"{name}{suffix}"
        if laid.is_file():
            return read_state(laid)
    address = _address(parts)
    try:
        state = _downloaded(parts)
    except Exception as error:  # libraries and their clients for the web have errors of many kinds
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        target = backbones_folder() / f"{name}{Path(address).suffix}"
        raise ModelError(
            f"The ImageNet weights of {parts.encoder} cannot be downloaded: {why}. On a machine with a network, "
            f"download {address}, and save it as {target}; or start from a file of weights, or from one of the bundled "
            "models."
        ) from error
    return state


def _address(parts: NameParts) -> str:
    """Return where the weights of an encoder are published.

    Raises
    ------
    ModelError
        When there are none.
    """
    encoder = parts.encoder
    if _of_torchvision(parts):
        return str(_torchvision_weights(encoder).url)
    from huggingface_hub import hf_hub_url

    if FAMILIES[parts.family].encoders == "maps" and not encoder.startswith(TIMM):
        from segmentation_models_pytorch.encoders import encoders

        settings: Any = encoders[check_encoder(encoder)]["pretrained_settings"]
        if "imagenet" in settings:
            return hf_hub_url(settings["imagenet"]["repo_id"], "model.safetensors")
    else:
        import timm

        found: Any = timm.get_pretrained_cfg(timm_name(encoder))
        if found is not None and found.hf_hub_id:
            return hf_hub_url(found.hf_hub_id, found.hf_hub_filename or "model.safetensors")
        if found is not None and found.url:
            return str(found.url)
    raise ModelError(f"Nobody publishes ImageNet weights of {encoder}; start from a file of weights, or from scratch.")


def _downloaded(parts: NameParts) -> dict[str, torch.Tensor]:
    """Return the weights as the library gives them."""
    encoder = parts.encoder
    if _of_torchvision(parts):
        state: dict[str, torch.Tensor] = _torchvision_weights(encoder).get_state_dict(progress=False)
        return state
    if FAMILIES[parts.family].encoders == "maps" and not encoder.startswith(TIMM):
        import segmentation_models_pytorch as smp

        body: Any = smp.encoders.get_encoder(encoder, weights="imagenet")
    else:
        import timm

        name = timm_name(encoder)
        found: Any = timm.get_pretrained_cfg(name)
        # The position embedding of a transformer is made for the pictures that it will see.
        sized: Any = {"img_size": parts.number} if parts.family == "classifier" and found.fixed_input_size else {}
        body = timm.create_model(name, pretrained=True, **sized)
    taken: dict[str, torch.Tensor] = body.state_dict()
    return taken


def _of_torchvision(parts: NameParts) -> bool:
    """Tell whether an encoder is torchvision's."""
    return FAMILIES[parts.family].encoders in ("torchvision", "own") or parts.encoder == ALEXNET


def _torchvision_weights(name: str) -> Any:
    """Return torchvision's description of a network's ImageNet weights."""
    import torchvision

    return torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
