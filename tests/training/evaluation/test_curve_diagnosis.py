"""What is said of the curves of a training: of figures that are poor, of losses that rise, of chance."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.evaluation.curve_diagnosis import ENOUGH, POOR, POOR_SKILL, read
from diatom_training.evaluation.training_curves import plot

EPOCHS = st.integers(ENOUGH, 60)


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
    assert found.verdict == ("overfitting" if learns else "worse")
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
    assert read(curve(losses, val_ap50=0.1)).verdict == "learning"


@given(st.integers(0, 1000), st.integers(15, 60), st.floats(0.0, 0.04))
def test_noise_on_a_rest_is_no_rise(seed: int, epochs: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    val = 0.5 * (1 + noise * rng.uniform(-1, 1, epochs))
    found = read(curve(val, val_ap50=0.9))
    assert found.verdict in ("good", "learning", "worse")
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
            optional={
                name: st.floats()
                for name in ("train_loss", "val_loss", "val_ap50", "val_dice", "val_accuracy", "val_f1", "rate")
            },
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
