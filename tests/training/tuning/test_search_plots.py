"""Parallel coordinates of a search, on light and on dark ground."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning.ranges import Choices, Span
from diatom_training.tuning.search_plots import plot_parallel
from diatom_training.tuning.search_results import FINISHED, SearchResults, Trial
from diatom_training.tuning.search_settings import SearchSettings
from napari_diatom.plots.style import INK, ORANGE

RANGES = {"rate": Span(low=1e-4, high=1e-2, log=True), "optimizer": Choices(values=("adamw", "sgd"))}
GROUNDS = {INK: "#ffffff", "#f0f1f2": "#262930"}
"""The ground of a file, and that of napari's dark theme, by the colour of the texts on them."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("ink", GROUNDS)
def test_every_trial_can_be_seen_on_its_ground_and_light_is_good(ink: str, tmp_path: Path) -> None:
    trials = tuple(
        Trial(k, FINISHED, "val_miou", 0.1 * k, values={"rate": 1e-4 * k, "optimizer": ("adamw", "sgd")[k % 2]})
        for k in range(1, 9)
    )
    settings = SearchSettings.of(training=TrainConfig.of(data=tmp_path), ranges=RANGES, trials=8)
    axes = Figure().add_subplot()
    plot_parallel(SearchResults(tuple(RANGES), trials), settings, axes, ink)
    lines = [line.get_color() for line in axes.lines[: len(trials)]]
    assert lines[-1] == ORANGE
    assert min(contrast(line, GROUNDS[ink]) for line in lines[:-1]) >= 3
    assert list(np.diff([_luminance(line) for line in lines[:-1]]) > 0) == [True] * 6
