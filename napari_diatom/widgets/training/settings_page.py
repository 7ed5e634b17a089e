"""The second page of *Fine-tune a model*: the task, the starting weights, and all settings of the training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.models import library
from napari_diatom.models.architecture_names import tile_warning
from napari_diatom.models.card import EMBEDDING_TASK, MASK_TASKS, NAMING_TASK, OUTLINING_TASK, Task
from napari_diatom.widgets.common.device_titles import DEVICE_TITLES
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.forms.pydantic_adapter import OptionsForm, options_form
from napari_diatom.widgets.training.named_settings import NamedSettings

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import RunFolder

TASKS: Final[Mapping[Task, str]] = {
    "oriented-boxes": "Rotated boxes",
    "boxes": "Upright boxes",
    "semantic": "Class map",
    "instances": "Masks of specimens",
    "classes": "Names of specimens",
    "outlines": "Outlines in boxes",
}
_PRESETS: Final = (("Few images (5-20)", "few"), ("Standard", "standard"), ("Thorough", "thorough"))
_TAKEN: Final[Mapping[Task, str]] = {NAMING_TASK: " (its backbone)", OUTLINING_TASK: " (its layers)"}
"""What is taken of a model of another task."""
_FILE: Final = "…"
_SUFFIXES: Final = (".pt", ".pth", ".safetensors")
"""Of files of weights."""
_ELSEWHERE: Final = (
    *("data", "images", "group", "classes", "without", "one_class", "split", "start"),
    *("learning.architecture", "learning.classes", "composed.size", "composed.scale"),
)
"""Entries on the page of the slides, in an input of their own, or filled in by the training."""
_RARE: Final = (
    *("composed.atlas_pixel_size_um", "composed.seed", "composed.empty_share", "composed.scale_spread"),
    *("composed.length_px", "composed.balanced", "composed.cut_share", "composed.blending", "composed.matching"),
    "composed.defocus_px",
    *("learning.validation_crops", "learning.final_rate", "learning.step_epochs", "learning.step_factor"),
    *("learning.plateau_patience", "learning.cycles", "learning.warmup", "learning.clip", "learning.loss_gains"),
    *("learning.accumulate", "learning.nesterov", "learning.proposals", "learning.positives"),
    *("learning.balance", "learning.masked", "learning.average_decay", "learning.precision"),
    *("learning.workers", "architecture", "pixel_size_um", "devices"),
)
"""Entries that are folded away."""


class SettingsPage(QWidget):
    """Chooses the start and the preset, with all other settings in folded sections."""

    changed = Signal()
    """A setting has changed."""
    previewed = Signal()
    """The user wants a preview of the composed slides."""
    variations_wanted = Signal()
    """The user wants to see how specimens are varied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = self._made_form()
        self._start = _start_chooser()
        self._file_task: Task | None = None
        self._preset_text = named(QLabel(), "preset_text")
        self._preset_text.setWordWrap(True)
        self._network_note = named(QLabel(), "network_note")
        self._network_note.setWordWrap(True)
        self._build()
        self.list_starts()
        self._take_preset()
        self._connect()

    def entries(self) -> dict[str, Any]:
        """Return the entries of :class:`~diatom_training.finetune.config.TrainConfig` on this page.

        Raises
        ------
        InputError
            When a text cannot be read as what its entry needs.
        """
        from diatom_training.finetune.presets import usual_learning
        from diatom_training.learning.option_check import set_entries

        found = self._form.entries()
        usual = usual_learning(self._task(), found["preset"]).model_dump(mode="json")
        own = {
            "name": found["name"].strip(),
            "start": self._start.currentData(),
            "learning": set_entries(found["learning"], usual),
        }
        return found | own

    def choose_task(self, task: Task) -> bool:
        """Choose a task, with the usual settings for it; return whether another one was chosen before."""
        if self._task() == task:
            return False
        self._form.control("task").value = task
        return True

    def take(self, entries: Mapping[str, Any]) -> None:
        """Show new values of settings, by their dotted names; all others stay as they are."""
        from diatom_training.finetune.composed_config import ComposedConfig

        for name, value in entries.items():
            self._form.set_part(name, ComposedConfig.model_validate(value) if name == "composed" else value)

    def set_devices(self, devices: tuple[str, ...]) -> None:
        """Offer devices."""
        box = self._combo("device")
        chosen = box.currentData()
        with signals_blocked(box):
            box.clear()
            for device in devices:
                box.addItem(DEVICE_TITLES.get(device, device), device)
            box.setCurrentIndex(max(box.findData(chosen), 0))

    def list_starts(self) -> None:
        """Offer the starts for the task, and keep the choice if it is among them."""
        from diatom_training.finetune import recent_runs
        from diatom_training.finetune.presets import BUNDLED, IMAGENET, SCRATCH

        task = self._task()
        chosen = self._start.currentData()
        related: dict[Task, tuple[Task, ...]] = {
            "boxes": ("oriented-boxes",),
            "oriented-boxes": ("boxes",),
            NAMING_TASK: (EMBEDDING_TASK, *MASK_TASKS),
            OUTLINING_TASK: ("semantic",),
        }
        usable = (task, *related.get(task, ()))
        models = [model for model in library.available() if model.card.task in usable]
        models.sort(key=lambda model: model.card.name != BUNDLED[task])
        with signals_blocked(self._start):
            self._start.clear()
            for model in models:
                taken = "" if model.card.task == task else _TAKEN.get(task, "")
                self._start.addItem(f"{model.card.name} {model.card.version}{taken}", model.card.name)
            for run in recent_runs.list_runs():
                if (run / "model" / "model.yaml").is_file() and _task_of(run) == task:
                    self._start.addItem(f"Earlier training: {run.path.name}", str(run.path))
            if task != "oriented-boxes":
                self._start.addItem("ImageNet backbone (downloaded once)", IMAGENET)
            self._start.addItem("File of weights…", _FILE)
            kept = task == self._file_task or {task, self._file_task} <= {"boxes", "oriented-boxes"}
            if chosen is not None and kept and chosen.endswith(_SUFFIXES) and Path(chosen).is_file():
                self._start.addItem(Path(chosen).name, chosen)
            self._start.addItem("From scratch", SCRATCH)
            # "A file" that was never named is no choice.
            self._start.setCurrentIndex(0 if chosen == _FILE else max(self._start.findData(chosen), 0))
        if self._start.currentData() != chosen:
            self.changed.emit()

    def _task(self) -> Task:
        task: Task = self._form.control("task").value
        return task

    def _combo(self, name: str) -> QComboBox:
        box: QComboBox = self._form.control(name).native
        return box

    def _made_form(self) -> OptionsForm[TrainConfig]:
        """Return the form of all that is not on the page of the slides."""
        from diatom_training.finetune.config import TrainConfig

        return options_form(
            TrainConfig,
            exclude=_ELSEWHERE,
            advanced=_RARE,
            choices={
                "task": [(title, task) for task, title in TASKS.items()],
                "preset": _PRESETS,
                "device": [(DEVICE_TITLES["auto"], "auto")],
            },
        )

    def _build(self) -> None:
        from diatom_training.finetune.presets import LOSSES
        from diatom_training.learning.augment_options import AUGMENTATIONS

        self._loss = NamedSettings(self._form, "learning.loss", LOSSES, "loss", "Loss")
        self._variation = NamedSettings(self._form, "learning.augment", AUGMENTATIONS, "variation", "Augmentation")
        self._preview = named(QPushButton("Preview"), "preview_composed")
        self._preview.setToolTip("Show the first composed slides in the viewer, with their specimens")
        self._form.insert("preset", "Start from", self._start)
        self._form.insert("device", "", self._preset_text)
        self._form.insert("pixel_size_um", "", self._network_note)
        self._form.insert("learning.patience", "Loss", self._loss.box)
        self._form.insert("learning.patience", "Augmentation", self._variation.box)
        self._show_varied = named(QPushButton("Show variations"), "preview_augmentation")
        self._show_varied.setToolTip("Show sixteen variations of specimens from your training slides")
        self._form.insert("learning.patience", "", self._show_varied)
        self._form.append("composed", self._preview)
        layout = QVBoxLayout(self)
        layout.addWidget(self._form.native)
        layout.addStretch(1)

    def _connect(self) -> None:
        self._form.control("task").changed.connect(self._on_task)
        self._form.control("preset").changed.connect(self._take_preset)
        self._form.changed.connect(self._on_form)
        self._start.activated.connect(self._on_start)
        self._start.currentIndexChanged.connect(lambda _: self.changed.emit())
        self._preview.clicked.connect(lambda _: self.previewed.emit())
        self._show_varied.clicked.connect(lambda _: self.variations_wanted.emit())
        news().changed.connect(self.list_starts)

    def _on_form(self) -> None:
        # A text that cannot be read yet is reported where the training is started.
        with suppress(InputError):
            self._disable_idle()
            self._loss.recognise()
            self._variation.recognise()
            self._tell_of_tiles()
        self.changed.emit()

    def _on_task(self) -> None:
        from diatom_training.finetune.presets import BUNDLED

        self.list_starts()
        usual = self._start.findData(BUNDLED[self._task()])
        # diatom-deeplab is a start for outlines, too, but was chosen for maps.
        if usual >= 0 and self._start.currentData() in BUNDLED.values():
            self._start.setCurrentIndex(usual)
        self._take_preset()

    def _take_preset(self) -> None:
        """Show the settings of the preset for the task."""
        from diatom_training.finetune.presets import PRESET_TEXTS, augmentations_of, named_losses, usual_learning
        from diatom_training.learning.option_check import acts, option_places
        from diatom_training.learning.option_effects import RUN_EFFECTS

        task, preset = self._task(), self._form.control("preset").value
        for name in option_places():
            self._form.set_visible(f"learning.{name}", acts(name, task))
        for name, effect in RUN_EFFECTS.items():
            self._form.set_visible(name, task not in effect.idle)
        self._loss.set_visible(acts("loss.dice", task))
        self._loss.offer(named_losses(task))
        self._variation.offer(augmentations_of(task))
        text = PRESET_TEXTS[preset].partition(": ")[2]
        self._preset_text.setText(text[:1].upper() + text[1:])
        self._form.set_part("learning", usual_learning(task, preset))

    def _disable_idle(self) -> None:
        """Disable the settings that have no effect beside the others, and say why."""
        from diatom_training.finetune.presets import known_network, usual_entries
        from diatom_training.learning.option_check import idle_reason
        from diatom_training.learning.option_effects import OPTION_EFFECTS
        from diatom_training.learning.options import LearningOptions

        # With the disabled ones: a loss may consist of a part that is disabled until the others are 0.
        task, shown = self._task(), self._form.entries(disabled=True)
        usual = usual_entries(task, shown["preset"])
        try:
            options = LearningOptions.model_validate(usual | shown["learning"])
        except ValidationError:
            return
        network = known_network(task, shown["architecture"], self._start.currentData() or "")
        for name, effect in OPTION_EFFECTS.items():
            if effect.needs and task not in effect.idle:
                idle = idle_reason(name, task, options, network)
                # The gains of YOLO's loss share one input.
                place = "loss_gains" if name.startswith("loss_gains.") else name
                self._form.set_reason(f"learning.{place}", f"No effect: {idle}." if idle else "")

    def _tell_of_tiles(self) -> None:
        """Say below the network what in it depends on the whole tile, if anything does."""
        text = tile_warning(self._form.entries()["architecture"] or "")
        self._network_note.setText(f"{text[:1].upper()}{text[1:]}." if text else "")
        self._network_note.setVisible(bool(text))

    def _offer(self, start: str) -> None:
        """Choose a start, and add it if it is not in the list."""
        if self._start.findData(start) < 0:
            self._start.addItem(Path(start).name, start)
        self._start.setCurrentIndex(self._start.findData(start))

    def _on_start(self) -> None:
        if self._start.currentData() != _FILE:
            return
        kinds = " ".join(f"*{suffix}" for suffix in _SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(self, "Weights of a network", "", f"Weights ({kinds})")
        if name:
            self._file_task = self._task()
            self._offer(name)
        else:
            self._start.setCurrentIndex(0)


def _start_chooser() -> QComboBox:
    """Return the empty choice of what the training starts from."""
    box = named(QComboBox(), "start")
    box.setAccessibleName("Start from")
    box.setToolTip("The weights that the training starts from")
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    return box


def _task_of(run: RunFolder) -> Task | None:
    """Return the task of a run, None if it cannot be read."""
    try:
        return run.config().task
    except DiatomError:
        return None
