"""What is said of the curves of a training: of figures that are poor, of losses that rise, of chance."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.evaluation.curve_advice import REMEDIES, Verdict
from diatom_training.evaluation.curve_diagnosis import ENOUGH, read
from diatom_training.evaluation.stated_figures import POOR, POOR_SKILL, StatedFigures
from diatom_training.evaluation.training_curves import plot
from helpers.histories import History, histories

EPOCHS = st.integers(ENOUGH, 60)
KNOWN = (
    *("train_loss", "val_loss", "sample_loss", "constant_loss", "rate"),
    *("val_ap50", "val_dice", "val_accuracy", "val_f1", "start_ap50"),
)
MADE = Path(__file__).parents[2] / "data" / "curves"
"""Made on purpose by ``benchmarks/curves.py``; ``meant.json`` says what each is to be read as."""
MEANT: dict[str, str] = json.loads((MADE / "meant.json").read_text(encoding="utf-8"))


def curve(val: object, train: object | None = None, **figures: float) -> list[dict[str, float]]:
    losses = np.asarray(val, dtype=float).tolist()
    trained = losses if train is None else np.asarray(train, dtype=float).tolist()
    return [{"train_loss": t, "val_loss": v} | figures for t, v in zip(trained, losses, strict=True)]


def falling(epochs: int, end: float = 0.4) -> np.ndarray:
    return end + np.exp(-np.arange(epochs) / 2.0)


@pytest.mark.parametrize("classes", [2, 3, 5, 20, 100])
def test_a_classifier_that_is_right_57_times_in_100_is_no_good_fit(classes: int) -> None:
    found = read(curve([0.7] * 12, val_accuracy=0.57, val_f1=0.57), classes, 100)
    assert found.verdict == "underfitting"
    assert "accuracy 0.57" in found.text
    assert "100 specimens" in found.text
    assert "names" in found.text


@given(EPOCHS, st.floats(0, 1), st.sampled_from(["val_ap50", "val_dice"]))
def test_flat_curves_of_finders_are_as_good_as_their_figures(epochs: int, figure: float, name: str) -> None:
    found = read(curve([0.8] * epochs, **{name: figure}))
    assert found.verdict == ("underfitting" if figure < POOR else "good")
    assert f"{figure:.2f}" in found.text


@given(EPOCHS, st.floats(0, 1), st.integers(2, 200))
def test_flat_curves_of_names_are_as_good_as_they_are_beyond_chance(epochs: int, share: float, classes: int) -> None:
    found = read(curve([0.8] * epochs, val_accuracy=share, val_f1=1.0), classes)
    skill = (share - 1 / classes) / (1 - 1 / classes)
    if abs(skill - POOR_SKILL) > 1e-9:
        assert found.verdict == ("underfitting" if skill < POOR_SKILL else "good")


def test_rare_classes_that_are_never_named_are_no_good_fit() -> None:
    found = read(curve([0.3] * 9, val_accuracy=0.95, val_f1=0.49), 2)
    assert found.verdict == "underfitting"
    assert "mean F1 of the classes 0.49" in found.text
    assert "accuracy 0.95" in found.text


@given(st.integers(3, 30), st.integers(4, 30), st.floats(0.02, 0.2), st.booleans())
def test_a_validation_loss_that_rises_is_named_with_its_epoch(fall: int, rise: int, slope: float, learns: bool) -> None:
    val = np.concatenate([np.linspace(1.0, 0.5, fall), 0.5 * (1 + slope * np.arange(1, rise + 1))])
    train = np.linspace(1.0, 0.1, len(val)) if learns else val
    found = read(curve(val, train, val_ap50=0.9))
    assert found.verdict == ("overfitting" if learns else "unstable")
    [epoch] = re.findall(r"since epoch (\d+)", found.text)
    assert abs(int(epoch) - fall) <= 1
    assert found.best_epoch == fall
    assert "does not rise" not in found.text


@pytest.mark.parametrize("learns", [False, True])
def test_a_small_rise_is_named_too(learns: bool) -> None:
    val = np.concatenate([falling(12), 0.402 + 0.0008 * np.arange(12)])
    found = read(curve(val, np.linspace(1, 0.2, 24) if learns else val, val_ap50=0.8))
    assert found.verdict == "good"
    assert re.search(r"has risen by \d\.\d % since epoch 1\d", found.text)
    assert "does not rise" not in found.text
    assert ("training loss still falls" in found.text) == learns


@given(EPOCHS, st.floats(0.7, 0.95))
def test_losses_that_both_fall_are_still_learning(epochs: int, factor: float) -> None:
    losses = factor ** np.arange(epochs)
    assert read(curve(losses, val_ap50=0.1)).verdict == "unfinished"


@given(st.integers(0, 1000), st.integers(15, 60), st.floats(0.0, 0.04))
def test_noise_on_a_rest_is_no_rise(seed: int, epochs: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    val = 0.5 * (1 + noise * rng.uniform(-1, 1, epochs))
    found = read(curve(val, val_ap50=0.9))
    assert found.verdict in ("good", "unfinished", "overfitting", "unstable")
    assert found.best_epoch == int(val.argmin()) + 1


def test_noise_is_hardly_ever_taken_for_a_rise() -> None:
    verdicts = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        verdicts.append(read(curve(0.5 * (1 + 0.06 * rng.normal(size=30)), val_ap50=0.9)).verdict)
    assert verdicts.count("good") > 170
    assert verdicts.count("overfitting") == 0


@pytest.mark.parametrize("epochs", range(ENOUGH))
def test_too_few_epochs_say_nothing(epochs: int) -> None:
    found = read(curve(falling(epochs), val_ap50=0.1))
    assert found.verdict == "early"
    lacking = "1 more epoch is" if ENOUGH - epochs == 1 else f"{ENOUGH - epochs} more epochs are"
    assert found.text == f"Too early to tell: at least {lacking} needed."


@given(st.lists(st.sampled_from([0.5, math.nan, math.inf, -math.inf]), min_size=ENOUGH, max_size=20))
def test_losses_that_are_no_numbers_are_named(losses: list[float]) -> None:
    found = read(curve(losses, val_ap50=math.nan))
    bad = [k + 1 for k, loss in enumerate(losses) if not math.isfinite(loss)]
    if len(bad) == len(losses):
        assert (found.verdict, found.best_epoch) == ("early", 0)
    elif bad:
        assert found.verdict == "unstable"
        assert all(str(epoch) in found.text for epoch in bad)
        assert losses[found.best_epoch - 1] == 0.5
    else:
        assert found.verdict == "early"
        assert "no figure" in found.text


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={name: st.floats() for name in KNOWN},
        ),
        max_size=12,
    ),
    st.integers(0, 9),
    st.integers(0, 99),
)
def test_anything_that_stands_in_a_history_is_read(
    history: list[dict[str, float]], classes: int, specimens: int
) -> None:
    found = read(history, classes, specimens)
    assert found.text.endswith(".")
    assert 0 <= found.best_epoch <= len(history)


def test_few_validation_specimens_are_said_to_be_few() -> None:
    assert "3 specimens, which are too few to tell" in read(curve([0.8] * 9, val_ap50=1.0), specimens=3).text
    assert "1 specimen, which" in read(curve([0.8] * 9, val_ap50=1.0), specimens=1).text
    assert "too few" not in read(curve([0.8] * 9, val_ap50=1.0), specimens=300).text


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_epochs_sit_on_whole_numbers_of_the_axis(epochs: int) -> None:
    from matplotlib.figure import Figure

    history = falling(epochs)
    figure = Figure()
    plot(curve(history, val_ap50=0.1), read(curve(history, val_ap50=0.1)), figure)
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert (low, high) == (0.5, epochs + 0.5)
        assert ticks
        assert all(tick == round(tick) for tick in ticks)
        assert min(ticks) >= 1


READINGS: dict[str, Verdict] = {
    "nothing learnt": "nothing-learnt",
    "not finished": "unfinished",
    "overfitting": "overfitting",
    "poor at rest": "underfitting",
    "parts differ": "gap",
    "validation below training": "below",
    "unstable": "unstable",
    "good fit": "good",
}
MERITS = {"classes": "val_accuracy", "maps": "val_dice", "boxes": "val_ap50", "outlines": "val_dice"}


@pytest.mark.parametrize("drawn", histories(), ids=lambda drawn: f"{drawn.kind}-{drawn.seed}")
def test_made_up_histories_are_read_as_a_teacher_reads_them(drawn: History) -> None:
    curves = zip(drawn.training.tolist(), drawn.validation.tolist(), drawn.figure.tolist(), strict=True)
    merit = MERITS[drawn.case.task]
    epochs = [
        {"sample_loss": trained, "val_loss": validated, "constant_loss": drawn.line, merit: figure}
        for trained, validated, figure in curves
    ]
    for stated in (StatedFigures(**drawn.compared), None):
        found = read(epochs, stated=stated)
        assert found.verdict == READINGS[drawn.kind], found.text
        if drawn.since is not None:
            [epoch] = re.findall(r"since epoch (\d+)", found.text)
            assert abs(int(epoch) - drawn.since) <= drawn.tolerance


@pytest.mark.parametrize("name", MEANT)
def test_real_histories_are_read_as_they_were_meant(name: str) -> None:
    names, *rows = csv.reader((MADE / f"{name}.csv").read_text(encoding="utf-8").splitlines())
    epochs = [{key: float(cell) for key, cell in zip(names, row, strict=True) if cell} for row in rows]
    assert read(epochs, 2).verdict == MEANT[name]


def test_each_real_history_has_a_purpose() -> None:
    assert {path.stem for path in MADE.glob("*.csv")} == {*MEANT}
    assert {*MEANT.values()} <= {*READINGS.values()}


def test_a_figure_below_that_of_the_start_is_poor() -> None:
    found = read(curve([0.8] * 9, val_ap50=0.7, start_ap50=0.82))
    assert found.verdict == "underfitting"
    assert "below the 0.82 of the start" in found.text
    assert read(curve([0.8] * 9, val_ap50=0.81, start_ap50=0.82)).verdict == "good"


def test_what_helps_is_said_with_the_reading() -> None:
    for verdict, remedies in REMEDIES.items():
        assert (verdict in ("early", "good")) == (not remedies)
    found = read(curve(0.9 ** np.arange(12), val_ap50=0.4))
    assert found.remedies == ("more-epochs",)


def test_old_histories_are_read_by_the_loss_of_varied_crops() -> None:
    falls = falling(30, 0.3)
    old = curve(falls * 0.8, falls, val_ap50=0.9)
    assert read(old).verdict == "below"
    assert "varied crops" in read(old).text
    assert "measured alike" in read([epoch | {"sample_loss": epoch["train_loss"]} for epoch in old]).text


def test_the_loss_of_a_constant_answer_is_a_line_of_the_plot() -> None:
    from matplotlib.figure import Figure

    history = [epoch | {"sample_loss": 0.5, "constant_loss": 1.25} for epoch in curve(falling(8), val_ap50=0.7)]
    figure = Figure()
    plot(history, read(history), figure)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert {*lines["same answer for all pictures"].get_ydata()} == {1.25}
    assert {*lines["training"].get_ydata()} == {0.5}
    assert "training, as it learns" in lines
