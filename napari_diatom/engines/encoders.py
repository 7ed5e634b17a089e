"""The backbones that networks are built on: timm's and segmentation-models-pytorch's, by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from napari_diatom.core.errors import ModelError

DEFAULT: Final = "tu-tf_efficientnet_lite0"
"""EfficientNet-Lite0 of timm, as segmentation-models-pytorch names it."""

TIMM: Final = "tu-"
"""What segmentation-models-pytorch puts before the names of timm's backbones."""


def check_encoder(name: str) -> str:
    """Return the name of an encoder that is there.

    Raises
    ------
    ModelError
        When there is none of that name; names close to it are suggested.
    """
    known = known_encoders()
    if name in known:
        return name
    close = get_close_matches(name, known, n=4, cutoff=0.5) or get_close_matches(TIMM + name, known, n=4, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"{DEFAULT}, resnet34 and tu-resnet50 are some that are."
    raise ModelError(f"There is no encoder {name!r}; {hint}")


def known_encoders() -> list[str]:
    """Return all names, segmentation-models-pytorch's own first."""
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    return [*get_encoder_names(), *(TIMM + name for name in timm.list_models())]
