"""Forms from options classes: every field of every one of them, both ways."""

import dataclasses
import importlib
from enum import Enum
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from diatom_training.learning.option_check import acts, option_places
from helpers.window import child_of
from napari_diatom.core.errors import InputError
from napari_diatom.widgets.forms.option_fields import REQUIRED, fields_of
from napari_diatom.widgets.forms.pydantic_adapter import options_form

CLASSES = {
    "TrainConfig": "diatom_training.finetune.config",
    "SplitConfig": "diatom_training.finetune.config",
    "ComposedConfig": "diatom_training.finetune.composed_config",
    "LearningOptions": "diatom_training.learning.options",
    "AugmentOptions": "diatom_training.learning.augment_options",
    "LossOptions": "diatom_training.learning.options",
    "ComposeRun": "diatom_training.composing.compose_run",
    "ConvertOptions": "napari_diatom.project.annotation_conversion",
    "TablesOptions": "napari_diatom.review.project_tables",
    "SampleOptions": "diatom_training.synthesis.sample_slides",
    "ComposeOptions": "diatom_training.composing.options",
    "FieldOptions": "diatom_training.synthesis.options",
    "AnalysisOptions": "napari_diatom.analysis.pipeline",
    "SplitOptions": "napari_diatom.tiling.instance_splitting",
    "Batch": "napari_diatom.counting.batch_options",
    "Protocol": "napari_diatom.measurement.counting_protocol",
    "ProjectClass": "napari_diatom.project.settings",
    "Counting": "napari_diatom.project.settings",
    "Split": "napari_diatom.project.settings",
}
NEEDED = {
    "TrainConfig": {"data": Path("slides"), "learning": {}},
    "Batch": {"inputs": ("a.tif", "b, c.tif"), "out": Path("results")},
    "ProjectClass": {"name": "Navicula"},
    "ComposeRun": {"out": Path("composed")},
    "ConvertOptions": {"source": Path("a.json"), "out": Path("b.json")},
    "TablesOptions": {"project": Path("project"), "out": Path("tables")},
    "Split": {"parts": {"train": ("a",), "test": ("b, c", "0035")}},
}
ELSEWHERE = {
    "TrainConfig": ("learning.architecture", "learning.classes", "composed.size", "composed.scale"),
    "ComposedConfig": ("size", "scale"),
}
"""Fields that the class itself does not take."""
OTHERS = {
    "shares": "60-20-20",
    "group": "(a)",
    "parts": {"train": ("a", "b"), "test": ("c",)},
    "classes": ("Navicula", 'with "quotes", and commas'),
    "counted": ("valve",),
    "class_weights": (0.5, 1.25),
    "families": ("pennate",),
    "bit_depth": 16,
    "background": (0.5, 0.6, 0.7),
    "colour": "#112233",
    "key": "4",
    "device": "cpu",
    "z": "max",
    "format": "coco",
    "source_format": "cvat",
    "map_scales": (1.0, 0.5),
}
"""Values of fields whose type does not say what may stand there."""


def class_of(name):
    return getattr(importlib.import_module(CLASSES[name]), name)


def made(kind, values):
    if issubclass(kind, BaseModel):
        return kind.model_validate(values)
    return kind(**values)


def another(field, value):
    """Return another value that a field takes."""
    if field.name == "shares" and field.kind == "list":
        return (60, 40)
    if (field.name, field.kind) == ("split", "path"):
        return Path("split.csv")
    if field.name in OTHERS and (field.type is not bool and field.kind != "group"):
        return OTHERS[field.name]
    if field.kind == "flag":
        return not value
    if field.kind == "choices":
        return (field.choices[-1][1],)
    if field.choices:
        return next(choice for _, choice in field.choices if choice != value)
    if field.kind == "path":
        return Path("else") / "where"
    if field.kind in ("text", "list"):
        return "other" if field.kind == "text" else ("one", "two")
    if field.kind == "entries":
        return {"box": 7.5, "cls": 0.123456789012345}
    low, high = field.least or 0, field.most if field.most is not None else (field.least or 0) + 1000
    number = low + (high - low) * 0.123456789
    if field.step:
        number = low + field.step
    number = int(number) + (field.kind == "whole") if field.type is int else number
    return (number,) * field.count if field.kind == "numbers" else number


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_field_of_every_options_class_goes_both_ways_and_has_a_tooltip(name, qtbot):
    kind = class_of(name)
    start = made(kind, NEEDED.get(name, {}))
    form = options_form(kind, start, exclude=ELSEWHERE.get(name, ()))
    qtbot.addWidget(form.native)
    assert form.errors() == {}
    assert form.value() == start
    for field in fields_of(kind):
        if field.kind == "group" or field.name in ELSEWHERE.get(name, ()):
            continue
        control = form.control(field.name)
        value = another(field, getattr(start, field.name))
        control.value = value
        assert control.value == value, field.name
        assert type(control.value) is type(value)
        assert field.sentence in control.native.accessibleDescription()
        assert field.sentence
        assert control.tooltip.startswith("<p>")
        assert control.native.objectName() == field.name
        assert control.native.accessibleName()
        try:
            changed = form.value()
        except InputError:  # other fields have to be changed with it
            changed = None
        assert changed is None or getattr(changed, field.name) == value
        control.value = getattr(start, field.name)
    assert form.value() == start


def test_entries_of_a_form_are_those_of_its_yaml_file(qtbot):
    kind = class_of("TrainConfig")
    config = kind.of(data=Path("slides"), composed={"count": 3}, classes=["a"], learning={"augment": {"hue": 0.1}})
    form = options_form(kind, exclude=ELSEWHERE["TrainConfig"])
    qtbot.addWidget(form.native)
    form.set_value(config)
    for place in option_places():
        form.set_visible(f"learning.{place}", acts(place, config.task))
    assert form.entries() == yaml.safe_load(config.to_text())
    assert kind.of(**form.entries()) == config
    form.control("composed").value = False
    assert form.value().composed is None
    form.set_visible("learning.size", False)
    assert "size" not in form.entries()["learning"]


class Stain(Enum):
    NAPHRAX = "naphrax"
    PLEURAX = "pleurax"


class Mounted(BaseModel):
    """A mounted slide.

    Attributes
    ----------
    stain : Stain
        The medium.
    count : int
        Valves on it.
    rate : float or None
        How many a minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    stain: Stain = Stain.NAPHRAX
    count: int = Field(default=3, ge=1, le=9, title="Valves")
    rate: float | None = Field(default=None, gt=0, json_schema_extra={"unit": "1/min", "none": "not timed"})
    hidden: str = "kept"


@pytest.fixture
def mounted(qtbot):
    form = options_form(Mounted, Mounted(hidden="mine"), exclude=("hidden",), advanced=("rate",))
    qtbot.addWidget(form.native)
    form.native.show()
    return form


def test_a_form_is_filled_in_with_keys(mounted, qtbot):
    told = []
    mounted.changed.connect(lambda: told.append(mounted.entries()))
    rate, heading = child_of(mounted.native, "rate"), child_of(mounted.native, "more_options.heading")
    assert not rate.isVisible()
    heading.setFocus()
    qtbot.keyClick(heading, Qt.Key.Key_Space)
    assert rate.isVisible()
    assert rate.text() == "not timed"
    rate.selectAll()
    qtbot.keyClicks(rate, "1,25")
    qtbot.keyClick(rate, Qt.Key.Key_Up)
    assert told[-1] == {"stain": "naphrax", "count": 3, "rate": 1.35}
    assert mounted.value() == Mounted(rate=1.35, hidden="mine")
    rate.selectAll()
    qtbot.keyClick(rate, Qt.Key.Key_Delete)
    assert mounted.value().rate is None


def test_what_is_wrong_names_its_field(mounted):
    mounted.control("rate").value = 0
    assert mounted.errors() == {"rate": "must be more than 0"}
    with pytest.raises(InputError, match=r"^Rate: must be more than 0\.$"):
        mounted.value()


def test_a_text_that_is_no_list_of_numbers_is_refused_with_its_place(qtbot):
    form = options_form(class_of("LossOptions"))
    qtbot.addWidget(form.native)
    child_of(form.native, "class_weights").setText("1, much")
    assert "must be numbers" in form.errors()["class_weights"]
    with pytest.raises(InputError, match="Class weights"):
        form.entries()


def test_labels_and_choices_may_come_from_the_form(qtbot):
    form = options_form(
        class_of("Protocol"),
        labels={"counted": "Statuses that count"},
        choices={"counted": [("Valve", "valve"), ("Broken", "broken")]},
    )
    qtbot.addWidget(form.native)
    form.control("counted").value = ("broken",)
    assert form.value().counted == ("broken",)
    form.control("counted").value = ()
    with pytest.raises(InputError, match="At least one status"):
        form.value()
    assert child_of(form.native, "counted").accessibleName() == "Statuses that count"


def test_a_type_that_no_form_knows_is_an_error_of_the_programmer():
    @dataclasses.dataclass(frozen=True)
    class Odd:
        widget: QWidget

    with pytest.raises(TypeError, match="No form knows"):
        fields_of(Odd)


def test_a_field_that_must_be_given_says_so(qtbot):
    @dataclasses.dataclass(frozen=True)
    class Place:
        """A place.

        Attributes
        ----------
        folder : Path
            Where it is.
        """

        folder: Path

    form = options_form(Place)
    qtbot.addWidget(form.native)
    assert fields_of(Place)[0].default is REQUIRED
    assert form.errors() == {"": "Folder: this is empty. Fill it in first."}


def test_a_word_stands_in_place_of_a_number_and_goes_both_ways(qtbot):
    kind = class_of("LearningOptions")
    form = options_form(kind, kind(crops="all", batch=4), include=("crops", "batch"))
    qtbot.addWidget(form.native)
    crops, batch = form.control("crops").native, form.control("batch").native
    assert (crops.text(), batch.text()) == ("all", "4")
    assert form.entries() == {"crops": "all", "batch": 4}
    for field, typed, value in (
        (crops, "250", 250),
        (crops, "ALL", "all"),
        (batch, "all", "all"),
        (batch, "al", "all"),
    ):
        field.selectAll()
        qtbot.keyClicks(field, typed)
        qtbot.keyClick(field, Qt.Key.Key_Tab)
        assert form.value().crops == value if field is crops else form.value().batch == value
    crops.stepBy(1)
    assert form.value().crops == 1
    crops.stepBy(-1)
    assert form.value().crops == "all"
    crops.stepBy(-1)
    assert form.value().crops == 1
    form.set_value(kind(crops=7, batch="all"))
    assert (crops.text(), batch.text()) == ("7", "all")
    assert yaml.safe_load(yaml.safe_dump(form.entries())) == {"crops": 7, "batch": "all"}


def test_several_words_stand_in_place_of_a_number(qtbot):
    kind = class_of("LearningOptions")
    form = options_form(kind, kind(batch="auto"), include=("batch",))
    qtbot.addWidget(form.native)
    batch = form.control("batch").native
    assert batch.text() == "auto"
    for typed, value in (("all", "all"), ("3", 3), ("Auto", "auto")):
        batch.selectAll()
        qtbot.keyClicks(batch, typed)
        qtbot.keyClick(batch, Qt.Key.Key_Tab)
        assert form.value().batch == value
    for steps, value in ((1, "all"), (1, 1), (1, 2), (-1, 1), (-1, "all"), (-1, "auto"), (-1, 1)):
        batch.stepBy(steps)
        assert form.value().batch == value
    form.set_value(kind(batch="all"))
    assert (batch.text(), form.entries()) == ("all", {"batch": "all"})
