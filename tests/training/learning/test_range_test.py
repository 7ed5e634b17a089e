"""The range test of the learning rate: what it does to the rate, and what its curve suggests."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from diatom_training.learning.fitting import Fitting
from diatom_training.learning.range_test import LEAST, MOST, range_test
from diatom_training.learning.rate_curve import RateCurve, drawn_rates
from helpers.drawn_fields import MAPS, draw
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor

RATES = tuple(np.geomspace(1e-6, 1, 80).tolist())


def drawn(folder: Path):
    return [draw(folder / f"field{k}.png", 0.4 + k) for k in range(2)]


def curve(loss, seed=0, noise=0.02):
    rng = np.random.default_rng(seed)
    losses = [loss(math.log10(rate)) + noise * float(rng.normal()) for rate in RATES]
    return RateCurve(RATES, tuple(losses), 1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_rate_where_the_loss_falls_fastest_is_suggested(seed):
    # Falls from 2 to 0.5 with its steepest place at 1e-3, and explodes above 0.1.
    falls = curve(lambda x: 0.5 + 1.5 / (1 + math.exp(4 * (x + 3))) + max(0.0, 6 * (x + 1)) ** 2, seed)
    assert falls.suggestion is not None
    assert 3e-4 < falls.suggestion < 8e-3
    assert f"{falls.suggestion:g}" in falls.sentence()


@pytest.mark.parametrize("loss", [lambda x: 1.0, lambda x: 1.0 + max(0.0, x + 3), lambda x: 2.0 + x / 10])
def test_no_rate_is_suggested_where_the_loss_does_not_fall(loss):
    flat = curve(loss, noise=0.01)
    assert flat.suggestion is None
    assert "keep the rate of 0.001" in flat.sentence()


def test_a_loss_that_is_no_number_ends_the_curve_and_not_the_suggestion():
    falls = curve(lambda x: 0.5 + 1.5 / (1 + math.exp(4 * (x + 3))))
    broken = RateCurve(falls.rates[:70], (*falls.losses[:69], math.nan), 1e-3)
    assert broken.suggestion == falls.suggestion
    assert drawn_rates(broken) == drawn_rates(broken)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_tuner_sets_the_rate_and_the_schedule_stands_aside(tmp_path: Path, monkeypatch, accumulate):
    steps, seen, step = 12, [], torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        seen.append([group["lr"] for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    options = MAPS.model_copy(
        update={"accumulate": accumulate, "backbone_rate": 0.1, "warmup": 40, "schedule": "one-cycle"}
    )
    examples = drawn(tmp_path)
    found = range_test(Fitting(examples, options, tmp_path / "run"), steps=steps)
    assert len(found.rates) == len(found.losses) <= steps
    assert found.rates[0] == pytest.approx(LEAST)
    assert found.rates[-1] <= MOST
    assert np.diff(np.log(found.rates))[1:] == pytest.approx(np.log(MOST / LEAST) / steps)
    for rate, (backbone, _, own, _) in zip(found.rates, seen, strict=False):
        assert own == pytest.approx(rate)
        assert backbone == pytest.approx(0.1 * rate)
    assert found.used == options.rate
    assert range_test(Fitting(examples, options, tmp_path / "again"), steps=steps) == found


def test_a_range_test_stops_when_it_is_asked_to(tmp_path: Path):
    reports = []
    monitor = ProgressMonitor(reports.append, lambda: len(reports) > 3)
    with pytest.raises(Stopped):
        range_test(Fitting(drawn(tmp_path), MAPS, tmp_path / "run"), monitor)
    assert {progress.stage for progress in reports} == {"rate"}


def test_nothing_is_drawn_on_the_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    range_test(Fitting(drawn(tmp_path), MAPS, tmp_path / "run"), steps=4)
    assert capfd.readouterr().err == ""
