"""What a training is to do: one frozen, checked description, and its YAML file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from diatom_training.data.annotated_slides import Grouping
from diatom_training.finetune.composed_config import FOLLOWING_FIELDS, ComposedConfig
from diatom_training.finetune.presets import (
    ARCHITECTURES,
    BUNDLED,
    IMAGENET,
    LEARNING_OF_PRESETS,
    LEARNING_OF_TASKS,
    SCRATCH,
    Preset,
    known_network,
    usual_entries,
    usual_learning,
    with_usual,
)
from diatom_training.finetune.recorded_settings import without_idle
from diatom_training.learning.augment_options import TURNING_PRESET, has_earlier_names, preset_of
from diatom_training.learning.option_check import acting_entries, idle_entries, idle_options
from diatom_training.learning.options import LearningOptions, check_class_weights
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_yaml
from napari_diatom.core.validation_messages import faults
from napari_diatom.models.architecture_names import engine_of
from napari_diatom.models.card import NAME, NAMED, NAMING_TASK, OUTLINING_TASK, TrainedTask
from napari_diatom.project.splits import shares_of

ANY_DIATOM: Final = "diatom"
"""The one class of what is outlined: its name does not matter."""
_ELSEWHERE: Final = ("architecture", "classes")
"""Entries of the learning options that the training itself fills in."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitConfig(_Frozen):
    """How the slides are divided where the data do not say so themselves.

    Attributes
    ----------
    shares : str
        Percentages of training, validation and test slides, such as ``70-15-15``.
    by : {"slide", "sample", "image"}
        What stays together in one part. ``image`` takes each image for a slide of its own, whatever the data and
        ``group`` say.
    seed : int
        Random seed; change it for a different split.
    own : bool
        Use the split that a project or a YOLO dataset has: train, and validation, test or both.
    parts : dict of str to tuple of str
        The slides (or samples) and single images of ``train``, ``validation`` and ``test`` by their names, with or
        without suffix, in place of all the above; those of no part are left out.
    """

    shares: str = "70-15-15"
    by: Grouping = "slide"
    seed: int = Field(default=0, ge=0)
    own: bool = True
    parts: dict[Literal["train", "validation", "test"], tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("shares")
    @classmethod
    def _three(cls, text: str) -> str:
        try:
            shares = shares_of(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        if len(shares) != 3:
            raise ValueError(f"{text!r} has no share for validation: give three shares, such as 70-15-15")
        return text

    @field_validator("parts")
    @classmethod
    def _apart(cls, parts: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        counts = Counter(name for names in parts.values() for name in set(names))
        twice = [name for name, number in counts.items() if number > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} is in two parts")
        return parts


class TrainConfig(_Frozen):
    """What to learn, from which data and weights, and how.

    Attributes
    ----------
    name : str
        Name of the new model.
    task : str
        What the model gives: ``oriented-boxes``, ``boxes``, ``semantic`` (a map of classes), ``instances`` (masks),
        ``classes`` (names for specimens), or ``outlines`` (a mask for each box).
    data : Path
        A project's folder, or annotations in any format that ``napari-diatom convert`` reads.
    images : Path or None
        Folder of the images, for annotations that do not hold them.
    group : str
        Regular expression whose first group is the slide in an image's name (without suffix), for data that name no
        slides; without one, the images of a folder are a slide, or each is its own where all lie in one folder.
    classes : tuple of str
        Classes to learn, in this order; empty takes all of the data. Specimens of others are left out.
    without : tuple of str
        Classes to leave out, as if nobody had outlined them.
    one_class : str
        Learn all specimens as this one class; of outlines ``diatom``, where no classes are chosen.
    split : SplitConfig
        How the slides are divided into training, validation and test.
    start : str
        What the training starts from: ``scratch``, ``imagenet``, the name or folder of a model, the folder of an
        earlier run, an Ultralytics ``.pt`` file, or a ``.pth``, ``.pt`` or ``.safetensors`` file with the state of a
        network of timm, torchvision or segmentation-models.
    architecture : str or None
        The network, such as ``yolo11s-obb``, ``fasterrcnn/resnet50``, ``unet/resnet34`` or ``classifier/vgg16``;
        without one, that of the start, or the task's usual one. In PSPNet, FPN and FCOS, what is found depends on the
        whole tile.
    pixel_size_um : float or None
        Micrometres per pixel that the network is to see, where the images' own are known; without it, the network sees
        all scales, or specimens at the size of their boxes, as outlines are learned.
    composed : ComposedConfig or None
        Train first on slides composed of cut-outs of the training slides on their empty backgrounds. This helps most
        with few slides.
    preset : {"few", "standard", "thorough"}
        Gives the learning options that are not named.
    learning : LearningOptions
        How to learn; network and classes are filled in by the training.
    device : str
        Where to train: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    devices : int
        Number of GPUs that share each batch.
    """

    name: str = "my-diatoms"
    task: TrainedTask = "oriented-boxes"
    data: Path
    images: Path | None = Field(default=None, json_schema_extra={"path": "folder", "none": "beside the annotations"})
    group: str = Field(default="", title="Slide name")
    classes: tuple[str, ...] = ()
    without: tuple[str, ...] = Field(default=(), title="Leave out")
    one_class: str = ""
    split: SplitConfig = SplitConfig()
    start: str = ""
    architecture: str | None = Field(default=None, title="Network", json_schema_extra={"none": "same as the start"})
    pixel_size_um: float | None = Field(default=None, gt=0, title="Scale", json_schema_extra={"none": "all scales"})
    composed: ComposedConfig | None = Field(default=None, title="Train on composed slides first")
    preset: Preset = "standard"
    learning: LearningOptions = Field(title="All settings")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(default=1, ge=1, title="GPUs")

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        """Fill in what preset and task give."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        task: Any = filled.get("task", "oriented-boxes")
        preset: Any = filled.get("preset", "standard")
        asked = filled.setdefault("learning", {})
        _check_turned(task, asked)
        if task in list(LEARNING_OF_TASKS) and preset in list(LEARNING_OF_PRESETS):
            filled["start"] = filled.get("start") or BUNDLED[task]
            if task == OUTLINING_TASK and not (filled.get("classes") or filled.get("without")):
                filled["one_class"] = filled.get("one_class") or ANY_DIATOM
            if isinstance(asked, Mapping):
                usual = usual_entries(task, preset)
                filled["learning"] = usual | {name: with_usual(usual.get(name), asked[name]) for name in asked}
        return filled

    @field_validator("name", mode="after")
    @classmethod
    def _plain(cls, text: str) -> str:
        if not re.match(NAME, text):
            raise ValueError(f"{text!r} is not a name for a model: {NAMED}")
        return text

    @field_validator("classes", "without")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, number in Counter(names).items() if number > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice")
        return names

    @field_validator("group")
    @classmethod
    def _regular(cls, text: str) -> str:
        try:
            groups = re.compile(text).groups
        except re.error as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from None
        if text and groups < 1:
            raise ValueError(f"{text!r} has no group in parentheses for the slide")
        return text

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.classes and self.one_class:
            raise ValueError("classes and one_class cannot be used together")
        if self.without and (self.classes or self.one_class):
            raise ValueError("without cannot be used together with classes or one_class")
        yolo = engine_of(self.architecture or ARCHITECTURES[self.task]) == "yolo"
        if yolo and (self.start == IMAGENET or self.start.endswith((".pth", ".safetensors"))):
            raise ValueError("YOLO cannot start from an ImageNet backbone; start from a model, or from scratch")
        if self.learning.initialization is not None and self.start != SCRATCH:
            raise ValueError(
                f"learning.initialization has no effect here, because the weights come from {self.start}; use "
                f"start: {SCRATCH}"
            )
        if self.pixel_size_um is not None and self.task == OUTLINING_TASK:
            raise ValueError(
                "pixel_size_um has no effect on outlines, because every specimen is shown at the size of its box; "
                "leave it out"
            )
        known = 1 if self.one_class or self.task == OUTLINING_TASK else len(self.classes)
        if known:
            check_class_weights(self.learning.loss, self.task, known)
        idle = self.idle(known_network(self.task, self.architecture, self.start))
        if idle:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError("idle_option", "{text}", {"text": text}),
                        loc=("learning", *name.split(".")),
                        input=self.learning,
                    )
                    for name, text in idle.items()
                ],
            )
        return self

    def idle(self, architecture: str = "") -> dict[str, str]:
        """Return the learning options that are set and could not act: sentences by their dotted names."""
        return idle_options(self.learning, self.task, usual_learning(self.task, self.preset), architecture)

    def options(self, architecture: str, classes: tuple[str, ...]) -> LearningOptions:
        """Return the learning options of a network and classes.

        Raises
        ------
        InputError
            When they are for another number of classes.
        """
        # Whoever never stops early wants the best weights too: they are kept, and all epochs are done.
        patience = self.learning.epochs if self.learning.patience is None else self.learning.patience
        try:
            check_class_weights(self.learning.loss, self.task, len(classes))
        except ValueError as error:
            raise InputError(f"learning.loss: {error}; the classes are {', '.join(classes)}.") from None
        return self.learning.model_copy(update={"architecture": architecture, "classes": classes, "patience": patience})

    def with_batch(self, batch: int | str) -> Self:
        """Return a copy with another batch size."""
        return self.model_copy(update={"learning": self.learning.model_copy(update={"batch": batch})})

    @classmethod
    def of(cls, **entries: Any) -> Self:
        """Build a configuration.

        Raises
        ------
        InputError
            With every problem found.
        """
        return cls._checked(entries, "The training cannot be set up with these settings")

    @classmethod
    def _checked(cls, entries: Mapping[str, Any], what: str) -> Self:
        """Build a configuration, with all its problems in one error."""
        asked = entries.get("learning")
        problems = [
            f"learning.{name}: this entry belongs one level higher"
            for name in _ELSEWHERE
            if isinstance(asked, Mapping) and name in asked
        ]
        try:
            made = cls.model_validate(dict(entries))
        except ValidationError as error:
            problems = faults(error, cls) + problems
        problems += [line for line in _named_idle(entries) if line not in problems]
        if problems:
            raise InputError(f"{what}: {'; '.join(problems)}.")
        return made

    def replace(self, **changes: Any) -> Self:
        """Return a checked copy with some entries exchanged; raises as :meth:`of`."""
        return self.of(**(self.to_plain() | changes))

    def absolute(self) -> Self:
        """Return a copy whose paths do not depend on the folder it is used in."""
        plain = self.to_plain()
        for entries, name in ((plain, "data"), (plain, "images"), (plain["composed"] or {}, "atlas")):
            if entries.get(name) is not None:
                entries[name] = Path(entries[name]).absolute()
        if Path(self.start).exists():
            plain["start"] = str(Path(self.start).absolute())
        return self.of(**plain)

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, for YAML: all settings, but for the learning options that the task does not heed."""
        data = self.model_dump(mode="json")
        for name in _ELSEWHERE:
            del data["learning"][name]
        network = known_network(self.task, self.architecture, self.start)
        data["learning"] = acting_entries(data["learning"], self.task, network=network)
        if data["composed"] is not None:
            for name in FOLLOWING_FIELDS:
                del data["composed"][name]
        return data

    def to_text(self) -> str:
        """Return the text of a YAML file."""
        return yaml.safe_dump(self.to_plain(), sort_keys=False, allow_unicode=True)

    @classmethod
    def read(cls, path: Path, recorded: bool = False) -> Self:
        """Read a YAML file; paths in it are relative to it.

        Parameters
        ----------
        path : Path
            The file.
        recorded : bool
            It is that of a run: an earlier version may have noted options there that never acted, and these are left
            out; :func:`~diatom_training.finetune.recorded_settings.without_idle` names them.

        Raises
        ------
        InputError
            When it cannot be read, or with every problem found in it.
        """
        data = read_yaml(path, "a description of a training in YAML")
        if not isinstance(data, Mapping):
            raise InputError(f"{path} does not describe a training: it must have entries such as `data: my-project`.")
        entries = _relative(data, ("data", "images"), path.parent)
        if isinstance(entries.get("start"), str) and entries["start"] and (path.parent / entries["start"]).exists():
            entries["start"] = str(path.parent / entries["start"])
        if isinstance(entries.get("composed"), Mapping):
            entries["composed"] = _relative(entries["composed"], ("atlas",), path.parent)
        if recorded:
            entries, _ = without_idle(entries)
        return cls._checked(entries, f"{path} does not describe a training")

    def write(self, path: Path) -> None:
        """Write a YAML file.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        write_atomically(path, self.to_text())


def _named_idle(entries: Mapping[str, Any]) -> list[str]:
    """Return a line for each learning option that the task or the network does not heed, named with its usual value."""
    asked, task = entries.get("learning"), entries.get("task", "oriented-boxes")
    start, architecture = entries.get("start") or "", entries.get("architecture")
    if not isinstance(asked, Mapping) or task not in list(BUNDLED) or not isinstance(start, str):
        return []
    if has_earlier_names(asked.get("augment")):
        return []
    if architecture is not None and not isinstance(architecture, str):
        return []
    network = known_network(task, architecture, start or BUNDLED[task])
    return [f"learning.{name}: {text}" for name, text in idle_entries(asked, task, network).items()]


def _check_turned(task: object, asked: object) -> None:
    """Refuse the augmentation that keeps the direction of the shading for a task that does not."""
    augment = asked.get("augment") if isinstance(asked, Mapping) else None
    if task == NAMING_TASK and preset_of(augment) == TURNING_PRESET:
        raise ValueError(
            f"augment: {TURNING_PRESET} has no effect on {NAMING_TASK}, because every specimen is turned upright, and "
            "with it the direction of the shading; use handed or usual"
        )


def _relative(entries: Mapping[str, Any], names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return entries with some paths taken from a folder."""
    return dict(entries) | {name: folder / entries[name] for name in names if isinstance(entries.get(name), str)}
