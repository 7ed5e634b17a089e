"""Plots in files: the same bytes whatever a user's or the window's own style is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from diatom_training.evaluation import plots
from diatom_training.evaluation.confusion import confusion_of_names
from diatom_training.evaluation.curve_diagnosis import read
from diatom_training.evaluation.training_curves import drawn_curves
from napari_diatom.plots.style import png, styled

HISTORY = [{"train_loss": 1 / k, "val_loss": 1.2 / k, "val_dice": 1 - 1 / k} for k in range(1, 6)]


def of_training(folder: Path) -> bytes:
    return drawn_curves(HISTORY, read(HISTORY))


def of_report(folder: Path) -> bytes:
    return plots.drawn_confusion(confusion_of_names(np.array([[3, 1], [0, 5]]), ["a", "b"]))


def of_anything(folder: Path) -> bytes:
    with styled(3, 2) as figure:
        figure.add_subplot().plot([0, 1], [1, 0])
        return png(figure)


@pytest.mark.parametrize("draw", [of_training, of_report, of_anything])
def test_no_style_of_the_user_changes_a_plot_in_a_file(draw: Any, tmp_path: Path) -> None:
    plain = draw(tmp_path)
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "lines.linewidth": 9, "savefig.dpi": 40}):
        assert draw(tmp_path) == plain
