"""From numbers to probabilities, what a mistake costs, and the length of a valve by mean squared error."""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch

from diatom_training.learning.naming_loss import NamingLoss
from diatom_training.learning.options import LearningOptions, LossOptions, NamingLossName
from diatom_training.learning.segmentation_loss import MapLoss
from lessons.attention import as_batch
from lessons.drawing import COLOURS, picture
from lessons.material import rendered_specimens
from napari_diatom.plots.style import BLUE

SIDE: Final = 48
STEPS: Final = 600
SHIFTS: Final = range(25)


def length_network() -> torch.nn.Sequential:
    """Return three convolutions with pooling, the mean over the map, and one neuron that answers with a length."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 32)):
        layers += [torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 1))


def shown_at_one_scale(lengths: np.ndarray, pictures: np.ndarray, longest: float) -> np.ndarray:
    """Return pictures in which a specimen is as long as it is, on grey ground; shape (N, SIDE, SIDE, 3)."""
    import cv2

    shown = np.full((len(pictures), SIDE, SIDE, 3), 128, dtype=np.uint8)
    for one, length, pixels in zip(shown, lengths, pictures, strict=True):
        side = int(np.clip(round(SIDE * length / longest), 4, SIDE))
        start = (SIDE - side) // 2
        one[start : start + side, start : start + side] = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return shown


def map_losses(shift: int) -> dict[str, float]:
    """Return what each loss of maps says of a disc that is found ``shift`` pixels beside its place."""
    rows, columns = np.mgrid[:64, :64]
    truth = torch.from_numpy(((rows - 32) ** 2 + (columns - 32) ** 2 <= 100).astype(np.int64))[None]
    found = torch.roll(truth, shift, dims=-1)
    # Sure to 98 %: a network is never wholly certain.
    logit = 3.9 * (2 * found.float() - 1) / 2
    logits = torch.stack([-logit, logit], dim=1)
    said = {}
    for name in ("cross_entropy", "dice", "jaccard", "tversky", "focal", "lovasz"):
        loss = LossOptions(**({"cross_entropy": 0.0, "dice": 0.0} | {name: 1.0}))
        said[name] = float(sum(MapLoss(LearningOptions(classes=("diatom",), loss=loss))(logits, truth).values()))
    return said


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    chances = torch.linspace(0.01, 0.99, 99)
    logits = torch.stack([torch.log(chances), torch.log(1 - chances)], dim=1)
    figures: dict[str, float] = {}
    with picture(folder / "losses.png", 8, 2.8) as figure:
        left, right = figure.subplots(1, 2)
        for name, colour in zip(get_args(NamingLossName), COLOURS, strict=False):
            loss = NamingLoss(LossOptions(names=name, label_smoothing=0.0), 2)
            # The sigmoid of its logit is the probability of a class that stands for itself.
            given = torch.logit(chances)[:, None] * torch.tensor([1.0, -1.0]) if name.startswith("binary") else logits
            said = [float(loss(one[None], torch.tensor([0]))) for one in given]
            left.plot(chances, said, color=colour, label=name)
            figures[f"{name} of 0.1"], figures[f"{name} of 0.9"] = said[9], said[89]
        left.set(xlabel="probability of the true class", ylabel="loss", ylim=(0, 4))
        left.legend(fontsize=7)
        curves = [map_losses(shift) for shift in SHIFTS]
        for name, colour in zip(curves[0], COLOURS, strict=False):
            right.plot(SHIFTS, [curve[name] for curve in curves], color=colour, label=name.replace("_", "-"))
        right.set(xlabel="a disc of 20 pixels, shifted by (pixels)", ylabel="loss of the map")
        right.legend(fontsize=7)
    some = rendered_specimens(4 if steps else 30, seed=4, side=SIDE)
    longest = float(some.lengths.max())
    inputs = as_batch(shown_at_one_scale(some.lengths, some.pictures, longest)) - 0.5
    truth = torch.from_numpy((some.lengths / longest).astype(np.float32))[:, None]
    learnt = torch.from_numpy(some.slides < 0.7 * (some.slides.max() + 1))
    network = length_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    rng = torch.Generator().manual_seed(0)
    where = torch.nonzero(learnt)[:, 0]
    for _ in range(steps or STEPS):
        chosen = where[torch.randint(len(where), (32,), generator=rng)]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(inputs[chosen]), truth[chosen]).backward()
        optimizer.step()
    with torch.no_grad():
        said = longest * network(inputs)[:, 0].numpy()
    new = ~learnt.numpy()
    with picture(folder / "length.png", 3.6, 3) as figure:
        axes = figure.subplots()
        axes.plot([0, longest], [0, longest], color="0.6", lw=1)
        axes.scatter(some.lengths[new], said[new], s=9, color=BLUE)
        axes.set(xlabel="length (pixels)", ylabel="length that the network says (pixels)")
    errors = said[new] - some.lengths[new]
    figures["mean squared error of the length"] = float((errors**2).mean())
    figures["median error of the length"] = float(np.median(np.abs(errors)))
    figures["mean squared error of always the mean"] = float(np.var(some.lengths[new]))
    ones = (torch.tensor([[0.8], [0.4], [0.6]]), torch.tensor([[1.0], [0.0], [1.0]]))
    figures["worked binary cross-entropy"] = float(torch.nn.functional.binary_cross_entropy(*ones))
    figures["worked categorical cross-entropy"] = float(-torch.log(torch.tensor([0.7, 0.5, 0.5, 0.8])).mean())
    return figures
