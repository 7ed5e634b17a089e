"""Convolution, stride and padding, pooling, shared weights, and what follows a specimen that has moved."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from lessons.drawing import COLOURS, picture, show, show_in_a_row
from lessons.material import LAKE, grey, valve

SIDE: Final = 128
KERNELS: Final = {
    "mean of 5 x 5": np.full((5, 5), 1 / 25),
    "left against right": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float),
    "top against bottom": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], dtype=float),
    "centre against round it": np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=float),
    "stripes, 6 pixels apart": cv2.getGaborKernel((15, 15), 3.0, np.pi / 2, 6.0, 1.0, 0.0),
}


def out_size(side: int, kernel: int, stride: int, padding: int) -> int:
    """Return the side of a feature map: floor((side + 2 padding - kernel) / stride) + 1 (Dumoulin & Visin 2016)."""
    return (side + 2 * padding - kernel) // stride + 1


def followers() -> dict[str, torch.nn.Module]:
    """Return what is asked whether it follows a specimen: some layers with random weights."""
    torch.manual_seed(0)
    first = torch.nn.Conv2d(1, 8, 3, padding=1, padding_mode="circular")
    second = torch.nn.Conv2d(8, 16, 3, padding=1, padding_mode="circular")
    relu, pool = torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    deep = torch.nn.Sequential(first, relu, pool, second, relu, pool)
    return {
        "convolution, stride 1": torch.nn.Sequential(first, relu),
        "and a pooling by 2": torch.nn.Sequential(first, relu, pool),
        "two of each: cells of 4 pixels": deep,
        "and the mean over the map": torch.nn.Sequential(deep, torch.nn.AdaptiveAvgPool2d(1)),
    }


def unlike(layers: torch.nn.Module, image: torch.Tensor, shift: int) -> float:
    """Return how far a map of a shifted image is from the map of the image, shifted alike; 0 where it follows exactly.

    The image is shifted in a ring, so that nothing enters or leaves. A map is shifted by whole cells, the nearest to
    the shift; the difference is a share of the map's deviation.
    """
    with torch.no_grad():
        before, after = layers(image), layers(torch.roll(image, shift, dims=-1))
    cells = round(shift * before.shape[-1] / image.shape[-1])
    followed = torch.roll(before, cells, dims=-1)
    # What is one number for the whole map is compared with how the maps vary among each other.
    spread = before.std() if before.shape[-1] > 1 else before.abs().mean()
    return float((after - followed).square().mean().sqrt() / spread)


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    pixels = valve(LAKE, SIDE, 4)
    shown = grey(pixels)
    image = torch.from_numpy(shown)[None, None]
    maps = [("the picture", pixels)]
    for name, kernel in KERNELS.items():
        weights = torch.from_numpy(kernel.astype(np.float32))[None, None]
        maps.append((name, F.conv2d(image, weights, padding="same")[0, 0].numpy()))
    show_in_a_row(folder / "kernels.png", maps, side=1.7, rows=2)
    edges = F.relu(F.conv2d(image, torch.from_numpy(KERNELS["left against right"].astype(np.float32))[None, None]))
    with picture(folder / "pooling.png", 8, 2.1) as figure:
        for axes, (title, values) in zip(
            figure.subplots(1, 4),
            {
                "feature map": edges,
                "largest of 2 x 2": F.max_pool2d(edges, 2),
                "largest of 8 x 8": F.max_pool2d(edges, 8),
                "mean of 8 x 8": F.avg_pool2d(edges, 8),
            }.items(),
            strict=True,
        ):
            show(axes, values[0, 0].numpy(), f"{title}: {values.shape[-1]} x {values.shape[-1]}")
    shifts = range(17)
    figures: dict[str, float] = {}
    with picture(folder / "shift.png", 6.5, 3) as figure:
        axes = figure.subplots()
        for (name, layers), colour in zip(followers().items(), COLOURS, strict=False):
            far = [unlike(layers, image, shift) for shift in shifts]
            figures[f"{name}, 1 pixel"], figures[f"{name}, 4 pixels"] = far[1], far[4]
            axes.plot(shifts, far, "o-", ms=3, color=colour, label=name)
        axes.set(xlabel="shift of the specimen (pixels)", ylabel="map does not follow (share)")
        axes.grid(True)
        axes.set_ylim(top=1.5 * axes.get_ylim()[1])
        axes.legend(fontsize=7, loc="upper right")
    for kernel, stride, padding in ((3, 1, 1), (3, 2, 1), (7, 2, 3), (2, 2, 0)):
        made = F.conv2d(image, torch.zeros(1, 1, kernel, kernel), stride=stride, padding=padding).shape[-1]
        if made != out_size(SIDE, kernel, stride, padding):
            raise AssertionError("the formula of the page is not what the library computes")
        figures[f"side with kernel {kernel}, stride {stride}, padding {padding}"] = made
    figures["weights of a convolution"] = sum(w.numel() for w in torch.nn.Conv2d(3, 16, 3).parameters())
    figures["weights of a full layer"] = SIDE * SIDE * 3 * 16 + 16
    return figures
