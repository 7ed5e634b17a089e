"""Grad-CAM: where in a layer the reasons for a score lie.

Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization", by captum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diatom_training.explanation.explanation import HeatMap

Output = Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]
"""Maps a network and float RGB in 0..1, shape (1, 3, h, w), to the number that is explained, shape (1,)."""


@dataclass(frozen=True)
class Target:
    """What of a network's output is explained, and by which of its layers.

    Attributes
    ----------
    explained : str
        What it is, in words.
    score : float
        Its value, 0 to 1.
    layer : str
        Name of the layer in the network.
    output : Output
        Computes it, or what grows with it; Grad-CAM is the same for both.
    area : tuple of float, or None
        The part of the picture that the layer looks at, see :class:`~diatom_training.explanation.explanation.HeatMap`.
    """

    explained: str
    score: float
    layer: str
    output: Output
    area: tuple[float, float, float, float] | None = None


def grad_cam(network: torch.nn.Module, picture: torch.Tensor, target: Target) -> HeatMap:
    """Return where in a layer the reasons for a score lie.

    The maps of the layer, each weighted by the mean of the score's gradient over it, are added up; what is below 0
    speaks against the score and is left out.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, with gradients.
    picture : Tensor, shape (1, 3, h, w)
        RGB in 0..1.
    target : Target
        What is explained; the layer has to give maps, shape (1, channels, rows, columns).
    """
    from captum.attr import LayerGradCam

    layer = network.get_submodule(target.layer)
    method: Any = LayerGradCam(lambda images: target.output(network, images), layer)
    found = method.attribute(picture, relu_attributions=True)
    values = found.detach()[0, 0].cpu().numpy().astype(np.float32)
    highest = float(values.max())
    scaled = values / highest if highest > 0 else np.zeros_like(values)
    return HeatMap("Grad-CAM", target.layer, scaled, target.area)
