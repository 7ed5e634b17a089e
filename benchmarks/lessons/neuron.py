"""A neuron, what its activation function does, and why there would be only lines without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from lessons.drawing import COLOURS, picture
from napari_diatom.plots.style import BLUE, ORANGE

ACTIVATIONS: Final[dict[str, Callable[[], torch.nn.Module]]] = {
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "ReLU": torch.nn.ReLU,
    "leaky ReLU (slope 0.1)": lambda: torch.nn.LeakyReLU(0.1),
    "PReLU (slope learnt)": torch.nn.PReLU,
    "ELU": torch.nn.ELU,
    "SELU": torch.nn.SELU,
    "SiLU (Swish)": torch.nn.SiLU,
}


def two_taxa(seed: int = 0, specimens: int = 240) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return length and width in µm, shape (N, 2), and the taxon, shape (N,), of invented specimens.

    The cells of one taxon become shorter and, below a length, wider: in the plot it bends round the other.
    """
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, np.pi, specimens)
    taxon = (np.arange(specimens) % 2).astype(np.float32)
    length = np.where(taxon, 30 - 12 * np.cos(turn), 42 + 12 * np.cos(turn))
    width = np.where(taxon, 9 - 4 * np.sin(turn), 7 + 4 * np.sin(turn))
    points = np.column_stack([length, width]) + rng.normal(0, (1.6, 0.55), (specimens, 2))
    return points.astype(np.float32), taxon


def network(activation: torch.nn.Module) -> torch.nn.Sequential:
    """Return two layers of twelve neurons, and the one that answers."""
    return torch.nn.Sequential(
        torch.nn.Linear(2, 12), activation, torch.nn.Linear(12, 12), activation, torch.nn.Linear(12, 1)
    )


def trained(activation: torch.nn.Module, points: torch.Tensor, taxon: torch.Tensor, steps: int) -> torch.nn.Module:
    """Train a network to tell the taxa apart."""
    torch.manual_seed(0)
    answer = network(activation)
    optimizer = torch.optim.Adam(answer.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(answer(points)[:, 0], taxon).backward()
        optimizer.step()
    return answer


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    values = torch.linspace(-4, 4, 401, requires_grad=True)
    with picture(folder / "activations.png", 8, 3.8) as figure:
        for axes, (name, activation), colour in zip(
            figure.subplots(2, 4, sharex=True).flat, ACTIVATIONS.items(), (*COLOURS, "0.4"), strict=True
        ):
            answer = activation()(values)
            (slope,) = torch.autograd.grad(answer.sum(), values)
            axes.plot(values.detach(), answer.detach(), color=colour)
            axes.plot(values.detach(), slope, color=colour, ls=":")
            axes.set_title(name, fontsize=8)
            axes.grid(True)
            axes.set_ylim(-2, 3)
    points, taxon = two_taxa()
    middle, spread = points.mean(axis=0), points.std(axis=0)
    inputs, truth = torch.from_numpy((points - middle) / spread), torch.from_numpy(taxon)
    figures = {}
    length, width = np.meshgrid(np.linspace(12, 60, 200), np.linspace(2, 14, 200))
    grid = torch.from_numpy(((np.dstack([length, width]) - middle) / spread).astype(np.float32))
    with picture(folder / "line.png", 8, 3.2) as figure:
        for axes, (name, activation) in zip(
            figure.subplots(1, 2, sharey=True),
            {"no activation function": torch.nn.Identity(), "ReLU": torch.nn.ReLU()}.items(),
            strict=True,
        ):
            answer = trained(activation, inputs, truth, steps or 600)
            with torch.no_grad():
                right = ((answer(inputs)[:, 0] > 0) == truth.bool()).double().mean().item()
                chance = answer(grid)[..., 0].sigmoid()
            figures[f"right with {name}"] = right
            axes.contourf(length, width, chance, levels=[0, 0.5, 1], colors=["#cfe3f1", "#f7ddcc"])
            for which, colour, mark in ((0, BLUE, "o"), (1, ORANGE, "^")):
                axes.scatter(*points[taxon == which].T, s=9, color=colour, marker=mark, label=f"taxon {'AB'[which]}")
            axes.set(xlabel="length (µm)", title=f"{name}: {100 * right:.0f} % right")
        figure.axes[0].set_ylabel("width (µm)")
        figure.axes[0].legend(fontsize=7)
    return figures
