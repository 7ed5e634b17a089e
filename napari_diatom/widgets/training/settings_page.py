"""The second page of *Fine-tune a model*: the task, the starting weights, and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.models import library
from napari_diatom.models.card import MASK_TASKS, NAMING_TASK, OUTLINING_TASK, Task
from napari_diatom.widgets.common.device_titles import DEVICE_TITLES
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.training.composed_preview import ComposedPart

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder

TASKS: Final[Mapping[Task, str]] = {
    "oriented-boxes": "Rotated boxes (YOLO)",
    "boxes": "Upright boxes (YOLO)",
    "semantic": "Class map (DeepLabV3+)",
    "instances": "Masks of specimens (Mask R-CNN)",
    "classes": "Names of specimens (classifier)",
    "outlines": "Outlines in boxes (DeepLabV3+)",
}
_PRESETS: Final = {"few": "Few images (5-20)", "standard": "Standard", "thorough": "Thorough"}
_OF_ONE_SIZE: Final[tuple[Task, ...]] = (NAMING_TASK, OUTLINING_TASK)
"""Tasks whose networks see cut-outs of a size of their own."""
_TAKEN: Final[Mapping[Task, str]] = {NAMING_TASK: " (its backbone)", OUTLINING_TASK: " (its layers)"}
"""What is taken of a model of another task."""
_FILE: Final = "…"


class SettingsPage(QWidget):
    """Chooses the start and the preset, with all other settings in a folded section."""

    changed = Signal()
    """A setting has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._build()
        self.list_starts()
        self._take_preset()
        self._connect()

    def entries(self) -> dict[str, Any]:
        """Return the entries of :class:`~diatom_training.finetune.config.TrainConfig` on this page."""
        from diatom_training.finetune.presets import LOSS_TASKS, LOSSES, VARIATIONS
        from diatom_training.learning.options import AugmentOptions

        learning: dict[str, Any] = {name: spin.value() for name, spin in self._numbers.items()}
        learning |= {name: combo.currentText() for name, combo in self._choices.items()}
        if self._task() in _OF_ONE_SIZE:
            del learning["size"]
        if self._task() in LOSS_TASKS:
            learning["loss"] = LOSSES[self._loss.currentText()]
        learning["augment"] = AugmentOptions(**VARIATIONS[self._variation.currentText()]).model_dump()
        learning["patience"] = self._patience.value() or None
        return {
            "name": self._name.text().strip(),
            "task": self._task(),
            "start": self._start.currentData(),
            "architecture": self._network.text().strip() or None,
            "preset": self._preset.currentData(),
            "pixel_size_um": None if self._task() == OUTLINING_TASK else self._pixel_size.value() or None,
            "device": self._device.currentData(),
            "learning": learning,
            "composed": self.composed.entries(),
        }

    def set_devices(self, devices: tuple[str, ...]) -> None:
        """Offer devices."""
        chosen = self._device.currentData()
        with signals_blocked(self._device):
            self._device.clear()
            for device in devices:
                self._device.addItem(DEVICE_TITLES.get(device, device), device)
            self._device.setCurrentIndex(max(self._device.findData(chosen), 0))

    def list_starts(self) -> None:
        """Offer the starts for the task, and keep the choice if it is among them."""
        from diatom_training.finetune import recent_runs
        from diatom_training.finetune.presets import BUNDLED, IMAGENET, SCRATCH

        task = self._task()
        chosen = self._start.currentData()
        related: dict[Task, tuple[Task, ...]] = {
            "boxes": ("oriented-boxes",),
            "oriented-boxes": ("boxes",),
            "classes": MASK_TASKS,
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
            if task not in ("boxes", "oriented-boxes"):
                self._start.addItem("ImageNet backbone (downloaded once)", IMAGENET)
            else:
                self._start.addItem("Ultralytics file (.pt)…", _FILE)
                if chosen is not None and chosen.endswith(".pt") and Path(chosen).is_file():
                    self._start.addItem(Path(chosen).name, chosen)
            self._start.addItem("From scratch", SCRATCH)
            self._start.setCurrentIndex(max(self._start.findData(chosen), 0))
        if self._start.currentData() != chosen:
            self.changed.emit()

    def _task(self) -> Task:
        task: Task = self._combo_task.currentData()
        return task

    def _build(self) -> None:
        from diatom_training.finetune.presets import LOSSES, PRESET_TEXTS, VARIATIONS

        self._name = named(QLineEdit("my-diatoms"), "model_name")
        self._combo_task = named(QComboBox(), "task")
        for task, title in TASKS.items():
            self._combo_task.addItem(title, task)
        self._start = named(QComboBox(), "start")
        self._start.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._start.setMinimumContentsLength(12)
        self._preset = named(QComboBox(), "preset")
        for preset, title in _PRESETS.items():
            self._preset.addItem(title, preset)
        self._preset.setCurrentIndex(1)
        self._preset_text = named(QLabel(), "preset_text")
        self._preset_text.setWordWrap(True)
        self._preset_texts = PRESET_TEXTS
        self._device = named(QComboBox(), "train_device")
        self._device.addItem("Automatic", "auto")

        self._network = named(QLineEdit(), "network")
        self._network.setPlaceholderText("Same as the start")
        self._network.setToolTip("Another architecture, such as yolo11s-obb or deeplabv3plus/tu-resnet50/256")
        self._pixel_size = named(QDoubleSpinBox(), "learn_pixel_size")
        self._pixel_size.setRange(0, 100)
        self._pixel_size.setDecimals(4)
        self._pixel_size.setSuffix(" µm")
        self._pixel_size.setSpecialValueText("All scales")
        self._pixel_size.setToolTip("Micrometres per pixel for the training, if the pixel size of the images is known")
        self._numbers: dict[str, QSpinBox | QDoubleSpinBox] = {
            "epochs": _whole(1, 10_000, "Number of epochs; the model is tested on the validation slides after each"),
            "crops": _whole(1, 1_000_000, "Number of crops from the slides in an epoch"),
            "size": _whole(64, 2048, "Side of the crops in pixels, a multiple of 32", step=32),
            "batch": _whole(1, 512, "Crops per step; a smaller batch needs less memory"),
            "rate": _decimal(1e-6, 1.0, 6, "Highest learning rate"),
            "frozen_epochs": _whole(0, 10_000, "Epochs in which the backbone does not change"),
            "backbone_rate": _decimal(
                0.0, 1.0, 2, "The backbone's learning rate after that, as a share of the learning rate"
            ),
            "weight_decay": _decimal(0.0, 1.0, 5, "L2 regularization: how fast unused weights shrink"),
            "l1": _decimal(0.0, 1.0, 7, "L1 regularization: weight of the sum of all weights in the loss"),
            "dropout": _decimal(0.0, 0.9, 2, "Share of the inputs of the head that are dropped at random"),
            "seed": _whole(0, 2**31 - 1, "Random seed; the same seed gives the same model"),
        }
        self._choices = {
            "optimizer": _choice(("adamw", "sgd"), "AdamW is a safe choice"),
            "schedule": _choice(("cosine", "step", "plateau", "one-cycle", "constant"), "How the learning rate falls"),
        }
        self._patience = _whole(0, 1000, "Stop when the validation loss has not fallen for this many epochs")
        self._patience.setSpecialValueText("Off")
        self._loss = _choice(tuple(LOSSES), "Loss function for class maps and outlines")
        self._variation = _choice(tuple(VARIATIONS), "Rotation, shear, light, colour, blur and noise of the crops")
        parts: dict[str, QWidget] = {**self._numbers, **self._choices}
        parts |= {"patience": self._patience, "loss": self._loss, "variation": self._variation}
        for name, widget in parts.items():
            widget.setObjectName(name)

        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Task", self._combo_task)
        form.addRow("Start from", self._start)
        form.addRow("Preset", self._preset)
        form.addRow("", self._preset_text)
        form.addRow("Name", self._name)
        form.addRow("Device", self._device)
        inner = QWidget()
        self._more = more = QFormLayout(inner)
        more.setContentsMargins(0, 0, 0, 0)
        more.addRow("Network", self._network)
        more.addRow("Scale", self._pixel_size)
        titles = {
            "epochs": "Epochs",
            "crops": "Crops per epoch",
            "size": "Crop size",
            "batch": "Batch size",
            "rate": "Learning rate",
            "frozen_epochs": "Frozen epochs",
            "backbone_rate": "Backbone rate",
            "optimizer": "Optimizer",
            "schedule": "Schedule",
            "weight_decay": "Weight decay (L2)",
            "l1": "L1",
            "dropout": "Dropout",
            "seed": "Seed",
        }
        for name, title in titles.items():
            more.addRow(title, self._numbers[name] if name in self._numbers else self._choices[name])
        more.addRow("Early stopping", self._patience)
        more.addRow("Loss", self._loss)
        more.addRow("Augmentation", self._variation)
        folded = QCollapsible("All settings")
        folded.addWidget(inner)
        layout = QVBoxLayout(self)
        self.composed = ComposedPart()
        layout.addLayout(form)
        layout.addWidget(self.composed)
        layout.addWidget(folded)
        layout.addStretch(1)

    def _connect(self) -> None:
        self._combo_task.currentIndexChanged.connect(self._on_task)
        self._preset.currentIndexChanged.connect(self._take_preset)
        self._start.activated.connect(self._on_start)
        news().changed.connect(self.list_starts)
        self.composed.changed.connect(self.changed)
        self._name.textChanged.connect(self.changed)
        self._network.textChanged.connect(self.changed)
        for spin in (*self._numbers.values(), self._patience, self._pixel_size):
            spin.valueChanged.connect(self.changed)
        for combo in (*self._choices.values(), self._loss, self._variation, self._start, self._device):
            combo.currentIndexChanged.connect(self.changed)

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
        from diatom_training.finetune.config import TrainConfig
        from diatom_training.finetune.presets import LOSS_TASKS, VARIATIONS
        from diatom_training.learning.options import AugmentOptions

        preset = self._preset.currentData()
        options = TrainConfig.of(data=Path(), task=self._task(), preset=preset).learning
        learning = options.model_dump()
        with signals_blocked(self):
            for name, spin in self._numbers.items():
                spin.setValue(learning[name])
            for name, combo in self._choices.items():
                combo.setCurrentText(learning[name])
            self._patience.setValue(options.patience or 0)
            for name, entries in VARIATIONS.items():
                if AugmentOptions(**entries) == options.augment:
                    self._variation.setCurrentText(name)
        self._more.setRowVisible(self._loss, self._task() in LOSS_TASKS)
        self._more.setRowVisible(self._numbers["size"], self._task() not in _OF_ONE_SIZE)
        self._more.setRowVisible(self._pixel_size, self._task() != OUTLINING_TASK)
        text = self._preset_texts[preset].partition(": ")[2]
        self._preset_text.setText(text[:1].upper() + text[1:])
        self.changed.emit()

    def _offer(self, start: str) -> None:
        """Choose a start, and add it if it is not in the list."""
        if self._start.findData(start) < 0:
            self._start.addItem(Path(start).name, start)
        self._start.setCurrentIndex(self._start.findData(start))

    def _on_start(self) -> None:
        if self._start.currentData() != _FILE:
            return
        name, _ = QFileDialog.getOpenFileName(self, "Weights of a YOLO detector", "", "Ultralytics (*.pt)")
        if name:
            self._offer(name)
        else:
            self._start.setCurrentIndex(0)


def _task_of(run: RunFolder) -> Task | None:
    """Return the task of a run, None if it cannot be read."""
    try:
        return run.config().task
    except DiatomError:
        return None


def _whole(least: int, most: int, tip: str, step: int = 1) -> QSpinBox:
    """Return an input of whole numbers."""
    spin = QSpinBox()
    spin.setRange(least, most)
    spin.setSingleStep(step)
    spin.setToolTip(tip)
    return spin


def _decimal(least: float, most: float, decimals: int, tip: str) -> QDoubleSpinBox:
    """Return an input of decimal numbers."""
    spin = QDoubleSpinBox()
    spin.setDecimals(decimals)
    spin.setRange(least, most)
    spin.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    spin.setToolTip(tip)
    return spin


def _choice(options: tuple[str, ...], tip: str) -> QComboBox:
    """Return a combo box with these options."""
    combo = QComboBox()
    combo.addItems(options)
    combo.setToolTip(tip)
    return combo
