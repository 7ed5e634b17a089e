"""Which settings can be searched, between which values, and what is refused."""

from pathlib import Path
from typing import get_args

import pytest

from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning.ranges import Choices, Span, range_text, read_value, written
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.search_space import acting_names, parsed_range, searchable, with_values
from napari_diatom.core.errors import InputError
from napari_diatom.models.card import TrainedTask


def config(task: str = "oriented-boxes", **learning) -> TrainConfig:
    return TrainConfig.of(data=Path("slides.json"), task=task, learning=learning)


@pytest.mark.parametrize("task", get_args(TrainedTask))
def test_every_value_of_a_usual_range_is_one_that_a_training_takes(task: str):
    known = searchable(config(task))
    assert {"rate", "optimizer", "augment"} <= set(known)
    assert not {"seed", "workers", "size", "validation_crops", "precision"} & set(known)
    assert ("dropout" in known) == (task not in ("boxes", "oriented-boxes"))
    for name, values in known.items():
        for value in values.ends if values is not None else ():
            changed = with_values(_ready(config(task), name), {name: value})
            assert changed.task == task
        if values is not None:
            assert parsed_range(f"{name}={range_text(values)}", config(task))[0] == name


def _ready(base: TrainConfig, name: str) -> TrainConfig:
    """Return a training in which an option that needs another one acts."""
    needs = {
        "momentum": {"optimizer": "sgd"},
        "nesterov": {"optimizer": "sgd"},
        "step_epochs": {"schedule": "step"},
        "step_factor": {"schedule": "step"},
        "plateau_patience": {"schedule": "plateau"},
        "cycles": {"schedule": "cyclic"},
        "loss.tversky_alpha": {"loss": {"tversky": 1.0}},
        "loss.focal_gamma": {"loss": {"names": "focal"} if base.task == "classes" else {"focal": 1.0}},
        "loss.weighting": {"balance": 0.0} if base.task == "classes" else {},
        "loss.weighting_beta": {"balance": 0.0, "loss": {"weighting": "effective number"}},
        "loss.binary_cross_entropy": {"loss": {"cross_entropy": 0.0}},
    }
    return config(base.task, **needs[name]) if name in needs else base


def test_an_option_that_another_choice_leaves_idle_is_not_chosen():
    ranges = {"momentum": Span(low=0.5, high=0.9), "optimizer": Choices(values=("adamw", "sgd"))}
    for optimizer, expected in (("adamw", ["optimizer"]), ("sgd", ["optimizer", "momentum"])):
        chosen, names = {}, []
        for name in acting_names(config(), ranges, chosen):
            chosen[name] = optimizer if name == "optimizer" else 0.7
            names.append(name)
        assert names == expected
    # A setting of the file that a choice leaves without effect is as usual, and no error.
    base = config(schedule="cyclic", cycles=5)
    assert with_values(base, {"schedule": "cosine"}).learning.cycles == 3
    assert with_values(base, {"rate": 0.01}).learning.cycles == 5


def test_presets_of_a_group_are_searched_by_name_beside_single_values():
    base = config("semantic")
    assert with_values(base, {"augment": "handed"}).learning.augment.flip_horizontal == 0
    both = with_values(base, {"augment.blur": 0.5, "augment": "handed"}).learning.augment
    assert (both.flip_horizontal, both.blur) == (0, 0.5)
    assert with_values(base, {"loss": "Lovász"}).learning.loss.parts() == {"lovasz": 1.0}


@pytest.mark.parametrize(
    ("text", "range_"),
    [
        ("rate=0.0001:0.01", Span(low=1e-4, high=1e-2, log=True)),
        ("batch=2:8", Span(low=2, high=8, whole=True)),
        ("optimizer=adamw,sgd", Choices(values=("adamw", "sgd"))),
        ("nesterov=false,true", Choices(values=(False, True))),
        ("architecture=yolo11n-obb,yolo11s-obb", Choices(values=("yolo11n-obb", "yolo11s-obb"))),
    ],
)
def test_a_range_is_read_as_it_is_typed(text: str, range_):
    name, values = parsed_range(text, config())
    assert values == range_
    assert parsed_range(f"{name}={range_text(values)}", config()) == (name, values)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["learning_speed"], "not a setting that can be searched"),
        (["drop"], "not a setting that can be searched"),
        (["dropout"], "not a setting that can be searched for oriented-boxes"),
        (["workers=1:4"], "not a setting that can be searched"),
        (["architecture"], "has no usual range"),
        (["rate=0.1:0.01"], "0.1 is not below 0.01"),
        (["rate=fast"], "cannot be read"),
        (["optimizer=adamw,adamw"], "listed twice"),
        (["optimizer=adamw,newton"], "newton"),
        (["rate=-1:1"], "must be more than 0"),
        (["batch=1.5:3"], "not a range of whole numbers"),
        ([], "name at least one setting"),
    ],
)
def test_what_cannot_be_searched_is_said(texts: list[str], words: str):
    base = config()
    with pytest.raises(InputError, match=words.replace(".", r"\.")):
        SearchSettings.of(training=base, ranges=dict(parsed_range(text, base) for text in texts))


def test_one_fold_and_no_trial_are_refused():
    ranges = {"rate": Span(low=1e-4, high=1e-2, log=True)}
    with pytest.raises(InputError, match="1 fold leaves nothing"):
        SearchSettings.of(training=config(), ranges=ranges, folds=1)
    with pytest.raises(InputError, match="trials"):
        SearchSettings.of(training=config(), ranges=ranges, trials=0)


@pytest.mark.parametrize("value", [True, False, 3, 0.00123456789012345, "one-cycle"])
def test_values_survive_a_table(value):
    assert read_value(written(value)) == value
