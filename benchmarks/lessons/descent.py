"""Initialization, gradient descent, backpropagation through two neurons, optimizers and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch

from diatom_training.learning.lr_schedule import rate
from diatom_training.learning.optimizers import optimizer_for
from diatom_training.learning.options import LearningOptions
from lessons.drawing import COLOURS, picture

RATES: Final = (0.02, 0.3, 1.05)
BATCHES: Final = (1, 8, 64)
DEPTH: Final = 10
WIDTH: Final = 256
STARTS: Final[dict[str, Callable[[torch.Tensor], object]]] = {
    "too small (0.01)": lambda weight: torch.nn.init.normal_(weight, std=0.01),
    "too large (0.2)": lambda weight: torch.nn.init.normal_(weight, std=0.2),
    "Xavier": torch.nn.init.xavier_normal_,
    "He": torch.nn.init.kaiming_normal_,
}


def signal(start: Callable[[torch.Tensor], object]) -> list[float]:
    """Return the deviation of what each of ten layers with ReLU gives, for inputs of the deviation 1."""
    torch.manual_seed(0)
    values, found = torch.randn(512, WIDTH), []
    for _ in range(DEPTH):
        weight = torch.empty(WIDTH, WIDTH)
        start(weight)
        values = torch.relu(values @ weight.T)
        found.append(float(values.std()))
    return found


def valves(specimens: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return standardized lengths and widths of invented valves: width = 0.6 length - 0.1 and some chance."""
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randn(specimens, generator=rng)
    lengths = (lengths - lengths.mean()) / lengths.std(correction=0)
    return lengths, 0.6 * lengths - 0.1 + 0.3 * torch.randn(specimens, generator=rng)


def descend(step: float, batch: int, steps: int) -> list[tuple[float, float, float]]:
    """Return slope, shift and loss over the steps of gradient descent on the mean squared error of a line."""
    lengths, widths = valves()
    line = torch.tensor([-0.9, 0.9], requires_grad=True)
    rng = torch.Generator().manual_seed(1)
    path = []
    for _ in range(steps):
        with torch.no_grad():
            whole = float((line[0] * lengths + line[1] - widths).square().mean())
        slope, shift = line.detach().tolist()
        path.append((slope, shift, whole))
        chosen = torch.randperm(len(lengths), generator=rng)[:batch]
        loss = (line[0] * lengths[chosen] + line[1] - widths[chosen]).square().mean()
        (gradient,) = torch.autograd.grad(loss, line)
        with torch.no_grad():
            line -= step * gradient
    return path


def backpropagate(x: float, y: float, w: tuple[float, float, float, float]) -> tuple[float, tuple[float, ...]]:
    """Return loss and gradient of two neurons by the chain rule, as the page derives them.

    ``h = tanh(w0 x + w1)``, ``p = sigmoid(w2 h + w3)``, and the binary cross-entropy of p against y.
    """
    hidden = math.tanh(w[0] * x + w[1])
    chance = 1 / (1 + math.exp(-(w[2] * hidden + w[3])))
    loss = -y * math.log(chance) - (1 - y) * math.log(1 - chance)
    of_answer = chance - y
    of_hidden = of_answer * w[2]
    of_inner = of_hidden * (1 - hidden**2)
    return loss, (of_inner * x, of_inner, of_answer * hidden, of_answer)


def by_autograd(x: float, y: float, w: tuple[float, float, float, float]) -> tuple[float, tuple[float, ...]]:
    """Return the same, computed by torch."""
    weights = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    logit = weights[2] * torch.tanh(weights[0] * x + weights[1]) + weights[3]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, torch.tensor(y, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss, weights)
    return float(loss.detach()), tuple(gradient.tolist())


def walk(name: str, steps: int) -> list[tuple[float, float]]:
    """Return the way of an optimizer through a valley that is thirty times as steep across as along."""

    class Valley(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # What a training asks a network for: its backbone, which this has not.
            self.encoder = torch.nn.Identity()
            self.place = torch.nn.Parameter(torch.tensor([[-2.0, 0.8]]))

    valley = Valley()
    step = {"sgd": 0.04}.get(name, 0.1)
    options = LearningOptions(optimizer=name, rate=step, weight_decay=0.0, momentum=0.8 if name == "sgd" else 0.0)  # type: ignore[arg-type]
    optimizer = optimizer_for(valley, options)
    path = []
    for _ in range(steps):
        path.append(tuple(valley.place[0].tolist()))
        optimizer.zero_grad()
        (0.5 * (valley.place**2 * torch.tensor([[1.0, 30.0]])).sum()).backward()
        optimizer.step()
    return path


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    figures: dict[str, float] = {}
    with picture(folder / "starts.png", 4.6, 2.8) as figure:
        axes = figure.subplots()
        for (name, start), colour in zip(STARTS.items(), COLOURS, strict=False):
            found = signal(start)
            figures[f"signal after {DEPTH} layers, {name}"] = found[-1]
            axes.semilogy(range(1, DEPTH + 1), found, "o-", ms=3, color=colour, label=name)
        axes.set(xlabel="layer", ylabel="deviation of its answers")
        axes.legend(fontsize=7)
        axes.grid(True)
    taken = 2 if steps else 40
    with picture(folder / "rates.png", 8, 2.8) as figure:
        left, right = figure.subplots(1, 2)
        for step, colour in zip(RATES, COLOURS, strict=False):
            losses = [loss for *_, loss in descend(step, 64, taken)]
            figures[f"loss at the end, rate {step}"] = losses[-1]
            left.semilogy(losses, color=colour, label=f"rate {step:g}")
        for batch, colour in zip(BATCHES, COLOURS, strict=False):
            losses = [loss for *_, loss in descend(0.08, batch, taken)]
            figures[f"loss at the end, batch {batch}"] = losses[-1]
            right.semilogy(losses, color=colour, label=f"batch of {batch}")
        for axes in (left, right):
            axes.set(xlabel="step", ylabel="loss")
            axes.legend(fontsize=7)
            axes.grid(True)
    along, across = np.meshgrid(np.linspace(-2.4, 0.8, 200), np.linspace(-1, 1, 160))
    with picture(folder / "optimizers.png", 8, 2.9) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.contour(along, across, 0.5 * (along**2 + 30 * across**2), levels=14, colors="0.85", linewidths=0.8)
        names = {"sgd": "SGD, momentum 0.8", "rmsprop": "RMSprop", "adam": "Adam"}
        for (name, title), colour in zip(names.items(), COLOURS, strict=False):
            left.plot(*np.array(walk(name, steps or 60)).T, "o-", ms=2, lw=0.8, color=colour, label=title)
        left.set(xlabel="along the valley", ylabel="across", title="ways of three optimizers")
        left.legend(fontsize=7)
        schedules = get_args(LearningOptions.model_fields["schedule"].annotation)
        history = [{"val_loss": 1.0}] * 12
        for name, colour in zip(schedules, (*COLOURS, "0.5"), strict=False):
            options = LearningOptions(schedule=name, rate=1.0, warmup=10)
            epochs = [rate(options, step, 120, history[: step // 10]) for step in range(120)]
            right.plot(np.arange(120) / 10, epochs, color=colour, label=name)
        right.set(xlabel="epoch", ylabel="share of the rate", title="schedules")
        figure.legend(*right.get_legend_handles_labels(), fontsize=7, loc="outside right upper")
    x, y, weights = 1.5, 1.0, (0.4, -0.2, 0.7, 0.1)
    loss, gradient = backpropagate(x, y, weights)
    other, reference = by_autograd(x, y, weights)
    if not np.allclose([loss, *gradient], [other, *reference], rtol=1e-12):
        raise AssertionError("the chain rule of the page is not what autograd computes")
    figures["loss of two neurons"] = loss
    return figures | {f"gradient of w{number}": value for number, value in enumerate(gradient)}
