"""What options act on: every option has an entry, and what could not act is refused by its name."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.presets import named_losses, usual_learning
from diatom_training.learning import option_check
from diatom_training.learning.effect_kinds import TASKS
from diatom_training.learning.option_effects import OPTION_EFFECTS
from diatom_training.learning.options import GAINS, LearningOptions
from napari_diatom.core.errors import InputError

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "training-options.md"
OTHERS: dict[str, Any] = {
    "activation_function": "tanh",
    "initialization": "he",
    "loss.class_weights": (1.0, 2.0),
    "loss.names": "focal",
    "loss.weighting": "frequency",
    "masked": False,
    "standardize": "imagenet",
}
"""Values other than the usual ones, of options that are no numbers."""


def nested(name: str, value: object) -> dict[str, Any]:
    head, _, tail = name.partition(".")
    return {head: nested(tail, value) if tail else value}


def other(name: str) -> object:
    """Return a value that nobody has without naming it."""
    if name in OTHERS:
        return OTHERS[name]
    if name.startswith("loss_gains."):
        return 2.5
    value: Any = LearningOptions()
    for part in name.split("."):
        value = getattr(value, part)
    return 96 if name == "size" else 5 if isinstance(value, int) else 0.123


def test_every_option_says_what_it_acts_on() -> None:
    assert list(OPTION_EFFECTS) == option_check.option_names()
    assert all(effect.seen for effect in OPTION_EFFECTS.values() if effect.acts_on != "weights")


def test_the_page_of_options_has_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(option_check.__file__, run_name="__main__")
    printed = capsys.readouterr().out.strip().split("\n\n")
    assert len(printed) == 2
    assert all(f"\n{table}\n" in PAGE.read_text(encoding="utf-8") for table in printed)


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_does_not_heed_is_refused_by_name(task: Any, tmp_path: Path) -> None:
    for name, effect in OPTION_EFFECTS.items():
        if name in ("architecture", "classes") or task not in effect.idle:
            continue
        with pytest.raises(InputError, match="has no effect") as caught:
            TrainConfig.of(data=tmp_path, task=task, learning=nested(name, other(name)))
        assert f"learning.{name}: {name.rpartition('.')[2]} has no effect in" in str(caught.value)
        assert effect.idle[task].reason in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_does_not_heed_is_refused_with_its_usual_value_too(task: Any, tmp_path: Path) -> None:
    usual = LearningOptions().model_dump()
    for name in [name for name, effect in OPTION_EFFECTS.items() if task in effect.idle]:
        value: Any = {**usual, "loss_gains": dict.fromkeys(GAINS, 1.0)}
        for part in name.split("."):
            value = value[part]
        with pytest.raises(InputError) as caught:
            TrainConfig.of(data=tmp_path, task=task, learning=nested(name, value))
        assert str(caught.value).count(f"learning.{name}: {name.rpartition('.')[2]} has no effect in") == 1


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"architecture": "yolo11n-obb", "learning": {"dropout": 0.1}}, "dropout has no effect in yolo11n-obb"),
        ({"learning": {"loss": {"dice": 1}}}, "dice has no effect in yolo11n-obb: YOLO has a loss of its own"),
        ({"task": "boxes", "architecture": "ssd/resnet18", "learning": {"proposals": 128}}, "proposals has no effect"),
        ({"task": "instances", "start": "else", "learning": {"balance": 1}}, "in models for instances"),
    ],
)
def test_a_usual_value_that_a_file_names_is_refused_where_it_cannot_act(
    entries: dict[str, Any], word: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump({"data": "x"} | entries))
    with pytest.raises(InputError, match=word):
        TrainConfig.read(file)
    assert TrainConfig.read(file, recorded=True).data == tmp_path / "x"


@pytest.mark.parametrize("task", TASKS)
def test_every_loss_that_is_offered_for_a_task_acts_there(task: Any, tmp_path: Path) -> None:
    offered = named_losses(task)
    assert bool(offered) == (task in ("semantic", "outlines"))
    assert ("binary cross-entropy" in offered) == (task == "semantic")
    for loss in offered.values():
        kept = TrainConfig.of(data=tmp_path, task=task, learning={"loss": loss}).learning.loss.parts()
        assert kept == {name: weight for name, weight in loss.items() if weight}


@pytest.mark.parametrize("task", TASKS)
def test_what_nobody_set_is_never_refused(task: Any, tmp_path: Path) -> None:
    for preset in ("few", "standard", "thorough"):
        config = TrainConfig.of(data=tmp_path, task=task, preset=preset)
        assert config.idle("maskrcnn_resnet50_fpn_v2" if task == "instances" else "") == {}
        config.write(tmp_path / "a.yaml")
        assert TrainConfig.read(tmp_path / "a.yaml") == config
        assert usual_learning(task, preset) == config.learning


def test_the_issue_s_example_is_told_with_what_would_serve(tmp_path: Path) -> None:
    wanted = (
        "dropout has no effect in yolo11n-obb: this network has none; use weight decay or stronger augmentation; "
        "learning.loss.dice: dice has no effect in yolo11n-obb: YOLO has a loss of its own; use loss_gains"
    )
    with pytest.raises(InputError) as caught:
        TrainConfig.of(data=tmp_path, learning={"dropout": 0.9, "loss": {"dice": 3.0}})
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("learning", "word"),
    [
        ({"step_factor": 0.5}, "step_factor has no effect in .*use schedule: step"),
        ({"schedule": "one-cycle", "warmup": 7}, "warmup has no effect"),
        ({"schedule": "cyclic", "warmup": 7}, "warmup has no effect .*this schedule climbs by itself"),
        ({"cycles": 5}, "cycles has no effect .*use schedule: cyclic"),
        ({"momentum": 0.5}, "momentum has no effect .*Adam and AdamW keep running means.*use optimizer: sgd"),
        ({"optimizer": "rmsprop", "nesterov": False}, "nesterov has no effect .*only SGD has it"),
        ({"optimizer": "sgd", "momentum": 0, "nesterov": False}, "nesterov has no effect .*there is no momentum"),
        ({"schedule": "constant", "final_rate": 0.5}, "final_rate has no effect"),
        ({"epochs": 2, "frozen_epochs": 2, "backbone_rate": 0.7}, "backbone_rate has no effect"),
        ({"loss": {"focal_gamma": 3.0}}, "focal_gamma has no effect"),
        ({"loss": {"cross_entropy": 0, "class_weights": [1, 2]}, "batch": 4}, "class_weights has no effect"),
        ({"loss_gains": {"boxx": 1}}, "'boxx' is not a gain of YOLO's loss; these are box, cls, dfl, angle"),
    ],
)
def test_what_has_no_effect_beside_the_other_options_is_refused(
    learning: dict[str, Any], word: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=word):
        TrainConfig.of(data=tmp_path, task="outlines", learning=learning)


@pytest.mark.parametrize(
    ("task", "learning", "word"),
    [
        ("classes", {"crops": "all", "balance": 0.5}, "balance has no effect .*crops: all shows each specimen once"),
        ("semantic", {"crops": "all", "augment": {"aimed": 0.1}}, "aimed has no effect .*crops: all covers every"),
        ("boxes", {"crops": "all", "augment": {"translation": 0.1}}, "translation has no effect .*use a number of"),
        ("outlines", {"batch": "all", "accumulate": 2}, "accumulate has no effect .*use a number as batch"),
    ],
)
def test_what_a_whole_pass_does_not_heed_is_refused(
    task: Any, learning: dict[str, Any], word: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=word):
        TrainConfig.of(data=tmp_path, task=task, learning=learning)


@pytest.mark.parametrize("option", ["focal_gamma", "focal_alpha"])
def test_the_focal_loss_of_boxes_is_refused_where_the_network_has_none(option: str, tmp_path: Path) -> None:
    learning = {"loss": {option: 0.5}}
    for network in ("retinanet/resnet18/64", "fcos/resnet18/64"):
        config = TrainConfig.of(data=tmp_path, task="boxes", start="scratch", architecture=network, learning=learning)
        assert config.to_plain()["learning"]["loss"] == {"focal_gamma": 2.0, "focal_alpha": 0.25} | learning["loss"]
        assert TrainConfig.of(**config.to_plain()) == config
    for network in ("yolo11n", "ssd/resnet18", "ssdlite/resnet18", "fasterrcnn/resnet18"):
        with pytest.raises(InputError, match=f"{option} has no effect in {network}: .*use task: boxes with retinanet"):
            TrainConfig.of(data=tmp_path, task="boxes", start="scratch", architecture=network, learning=learning)
    with pytest.raises(InputError, match="dice has no effect in retinanet/resnet18: networks of boxes have losses"):
        TrainConfig.of(
            data=tmp_path,
            task="boxes",
            start="scratch",
            architecture="retinanet/resnet18",
            learning={"loss": {"dice": 2.0}},
        )


def test_a_whole_pass_shows_classes_as_they_occur_so_that_they_may_be_weighed(tmp_path: Path) -> None:
    learning = {"crops": "all", "loss": {"weighting": "frequency"}}
    assert TrainConfig.of(data=tmp_path, task="classes", learning=learning).learning.crops == "all"
    with pytest.raises(InputError, match="weighting has no effect"):
        TrainConfig.of(data=tmp_path, task="classes", learning={**learning, "crops": 100})


def test_a_network_without_dropout_refuses_it_where_the_start_names_it(tmp_path: Path) -> None:
    config = TrainConfig.of(data=tmp_path, task="instances", start="else", learning={"dropout": 0.4})
    assert list(config.idle("maskrcnn_resnet50_fpn_v2")) == ["dropout"]
    assert config.idle("maskrcnn/tu-resnet34/64") == {}


def test_a_run_of_an_earlier_version_is_read_without_what_never_acted(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: x\ntask: boxes\nlearning: {dropout: 0.9, loss: {dice: 2.0}, epochs: 3}\n")
    with pytest.raises(InputError, match="dropout has no effect"):
        TrainConfig.read(file)
    recorded = TrainConfig.read(file, recorded=True)
    assert (recorded.learning.epochs, recorded.learning.dropout) == (3, LearningOptions().dropout)
    assert "dropout" not in recorded.to_plain()["learning"]
