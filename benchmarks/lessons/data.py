"""Splits that leak, and pixel values before and after standardization."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lessons.drawing import COLOURS, picture
from lessons.material import LAKE, NEEDLES, RIVER, Specimens, rendered_specimens, slide

SPLITS: Final = 20
SLIDES: Final = 16
TRAIN: Final = 0.7


def nearest(train: Specimens, test: Specimens) -> float:
    """Return the share of right names if each specimen is named like the learnt one whose pixels are nearest."""
    known = train.pictures.reshape(len(train.pictures), -1).astype(np.float32)
    asked = test.pictures.reshape(len(test.pictures), -1).astype(np.float32)
    far = (asked**2).sum(axis=1)[:, None] - 2 * asked @ known.T + (known**2).sum(axis=1)
    return float((train.is_needle[far.argmin(axis=1)] == test.is_needle).mean())


def part(some: Specimens, chosen: NDArray[np.bool_]) -> Specimens:
    """Return the chosen specimens."""
    return Specimens(some.pictures[chosen], some.lengths[chosen], some.is_needle[chosen], some.slides[chosen])


def by_specimen(some: Specimens, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw the specimens to learn from one by one, so that a slide is in both parts."""
    return rng.random(len(some.slides)) < TRAIN


def by_slide(some: Specimens, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw the slides to learn from, as this program does."""
    every = np.unique(some.slides)
    return np.isin(some.slides, rng.permutation(every)[: round(TRAIN * len(every))])


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    some = rendered_specimens(4 if steps else SLIDES, seed=3, side=24)
    rng = np.random.default_rng(0)
    results: dict[str, list[float]] = {}
    for _ in range(steps or SPLITS):
        for name, split in (("by specimen", by_specimen), ("by slide", by_slide)):
            learnt = split(some, rng)
            results.setdefault(name, []).append(nearest(part(some, learnt), part(some, ~learnt)))
    with picture(folder / "leak.png", 4.2, 2.6) as figure:
        axes = figure.subplots()
        for row, (values, colour) in enumerate(zip(results.values(), COLOURS, strict=False)):
            axes.scatter(values, row + rng.uniform(-0.15, 0.15, len(values)), s=12, color=colour)
            axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=colour, lw=2)
        axes.set(yticks=range(len(results)), yticklabels=list(results), xlabel="share of right names", xlim=(0.3, 1.02))
        axes.grid(True, axis="x")
    names = {RIVER: "river, bright field", LAKE: "lake, DIC", NEEDLES: "bay, phase contrast"}
    values = {name: slide(file).reshape(-1, 3).astype(np.float64) / 255 for file, name in names.items()}
    every = np.concatenate(list(values.values()))
    mean, deviation = every.mean(axis=0), every.std(axis=0)
    with picture(folder / "standardized.png", 8, 2.6) as figure:
        for axes, title, change in zip(
            figure.subplots(1, 2),
            ("0 to 1", "minus mean, divided by deviation"),
            (lambda pixels: pixels, lambda pixels: (pixels - mean) / deviation),
            strict=True,
        ):
            for (name, pixels), colour in zip(values.items(), COLOURS, strict=False):
                axes.hist(
                    change(pixels)[:, 1], bins=120, density=True, histtype="step", color=colour, label=name, lw=1.2
                )
            axes.set(title=title, xlabel="value of green", yticks=[])
        figure.axes[0].legend(fontsize=7, loc="upper left")
    figures = {f"right, split {name}": float(np.mean(found)) for name, found in results.items()}
    figures |= {f"mean of {name}": float(m) for name, m in zip(("red", "green", "blue"), mean, strict=True)}
    return figures | {f"deviation of {n}": float(d) for n, d in zip(("red", "green", "blue"), deviation, strict=True)}
