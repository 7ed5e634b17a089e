"""The backbones that networks are built on: timm's and segmentation-models-pytorch's, by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from napari_diatom.core.errors import ModelError
from napari_diatom.models.architecture_names import ALEXNET, FAMILIES, FCN_ENCODERS, SEGNET_ENCODERS

TIMM: Final = "tu-"
"""What segmentation-models-pytorch puts before the names of timm's backbones."""
DEFAULT: Final = f"{TIMM}tf_efficientnet_lite0"
"""EfficientNet-Lite0 of timm, as segmentation-models-pytorch names it."""


def check_encoder(name: str) -> str:
    """Return the name of an encoder of maps that is there: segmentation-models' own, or timm's after ``tu-``.

    Raises
    ------
    ModelError
        When there is none of that name; names close to it are suggested.
    """
    known = known_encoders()
    if name in known:
        return name
    close = get_close_matches(name, known, n=4, cutoff=0.5) or get_close_matches(TIMM + name, known, n=4, cutoff=0.5)
    if TIMM + name in known:
        close = [TIMM + name]
    raise ModelError(f"There is no encoder {name!r}; {_hint(close, (DEFAULT, 'resnet34', f'{TIMM}resnet50'))}")


def timm_name(name: str) -> str:
    """Return timm's name of a backbone of classifiers and boxes, which may be given with ``tu-`` before it.

    Raises
    ------
    ModelError
        When timm has none of that name; names close to it are suggested.
    """
    import timm

    plain, known = name.removeprefix(TIMM), timm.list_models()
    if plain in known:
        return plain
    close = get_close_matches(plain, known, n=4, cutoff=0.5)
    raise ModelError(f"timm has no backbone {name!r}; {_hint(close, ('resnet34', 'mobilenetv3_large_100'))}")


def known_encoders() -> list[str]:
    """Return all names of encoders of maps, segmentation-models-pytorch's own first."""
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    return [*get_encoder_names(), *(TIMM + name for name in timm.list_models())]


def encoders_of(family: str) -> list[str]:
    """Return the names of the encoders that a family may be built on, as far as libraries list them."""
    source = FAMILIES[family].encoders
    if source == "own":
        return list(SEGNET_ENCODERS)
    if source == "torchvision":
        return list(FCN_ENCODERS)
    if source == "maps":
        return known_encoders()
    import timm

    return [*([ALEXNET] if family == "classifier" else []), *timm.list_models()]


def _hint(close: Sequence[str], some: Sequence[str]) -> str:
    """Return what else there is, as the end of a sentence."""
    return f"did you mean {', '.join(close)}?" if close else f"{' and '.join(some)} are some that are."
