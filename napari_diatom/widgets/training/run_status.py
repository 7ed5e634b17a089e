"""How far a run is: a progress bar, a message, and the warnings of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_diatom.core.text import many, sentence
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import State
    from napari_diatom.core.progress import Progress
    from napari_diatom.widgets.training.run_monitor import RunMonitor

_STAGES: Final = {
    "images": "Reading the slides",
    "start": "Starting",
    "step": "Training",
    "epoch": "Training",
    "slides": "Cutting out specimens",
    "atlas": "Cutting out the valves of the atlas",
    "fields": "Composing slides",
    "composed-step": "Training on composed slides",
    "composed-epoch": "Training on composed slides",
    "validation": "Tuning the threshold on the validation slides",
    "test": "Testing on the test slides",
}
"""What the user reads while a run is at a stage."""
_COMPOSED: Final = ("composed-step", "composed-epoch")
_BAR_PX: Final = 6
_LEAST_MINUTES_S: Final = 90
"""Time from which on the time left is shown in minutes."""


class RunStatus(QWidget):
    """Shows the progress of one run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._warnings: list[str] = []
        self._config: TrainConfig | None = None
        self._all_epochs = 0
        self._chosen_batch = 0
        self._bar = named(QProgressBar(), "train_progress")
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(_BAR_PX)
        self._message = text_label("train_message")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._bar)
        layout.addWidget(self._message)
        self._bar.hide()

    def restart(self, config: TrainConfig | None, epochs: int = 0) -> None:
        """Forget the warnings of the run before.

        Parameters
        ----------
        config : TrainConfig or None
            Settings of the next run, None if they cannot be read.
        epochs : int
            How many epochs it may have, with those that were added.
        """
        self._warnings.clear()
        self._config, self._all_epochs, self._chosen_batch = config, epochs, 0

    def setRunning(self, running: bool) -> None:
        """Show the bar while a run goes on."""
        self._bar.setVisible(running)

    def warn(self, warning: str) -> None:
        """Add a warning; it is in the tooltip from the next message on."""
        self._warnings.append(warning)

    def show_progress(self, progress: Progress, monitor: RunMonitor) -> None:
        """Show a step of a run that goes on."""
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        title = _STAGES.get(progress.stage, "")
        if progress.stage.endswith(("step", "epoch")):
            self.say(f"{title}{self._epoch(progress)}{self._pace(progress, monitor)}")
        elif progress.stage in ("start", "standardization", "batch-size", "epoch-plan", "memory"):
            if progress.stage == "batch-size":
                self._chosen_batch = round(progress.values["batch"])
            self.say(progress.message)
        elif title:
            self.say(f"{title}: {progress.message}" if progress.message else title)

    def show_end(self, state: State) -> None:
        """Show how a run ended."""
        self.say("Finished." if state.stage == "finished" else state.message, error=state.stage == "failed")

    def say(self, message: str, error: bool = False) -> None:
        """Show a message, and below it the number of warnings."""
        number = len(self._warnings)
        warned = f"{many(number, 'warning')} (hold the mouse here to read)." if number else ""
        self._message.setText("\n".join(line for line in (message, warned) if line))
        self._message.setToolTip("\n".join(map(sentence, self._warnings)))
        set_tone(self._message, "error" if error else "plain")

    def _epoch(self, progress: Progress) -> str:
        """Return which epoch is in progress, empty if that is not known."""
        epochs = self._epochs(progress)
        if not epochs or not progress.total:
            return ""
        finished = progress.done if progress.stage.endswith("epoch") else progress.done * epochs // progress.total
        return f": epoch {min(finished + 1, epochs)} of {epochs}"

    def _epochs(self, progress: Progress) -> int:
        """Return the number of epochs of this part of the training, 0 if it is not known."""
        if self._config is None:
            return 0
        if progress.stage in _COMPOSED:
            return 0 if self._config.composed is None else self._config.composed.epochs
        return self._all_epochs or self._config.learning.epochs

    def _pace(self, progress: Progress, monitor: RunMonitor) -> str:
        """Return the time left and the speed, empty while they are not known."""
        speed, left = monitor.steps_per_second(), monitor.seconds_left()
        if speed is None or left is None or self._config is None:
            return ""
        # Here, because the window must open without the training's libraries.
        from diatom_training.learning.epoch_plan import crops_at_once

        learning = self._config.learning
        composed = self._epochs(progress)
        if progress.stage in _COMPOSED and composed and progress.total:
            # The same number of crops per epoch follows on the real slides.
            left += learning.epochs * progress.total / composed / speed
        time_left = f"{left / 60:.0f} min" if left >= _LEAST_MINUTES_S else f"{left:.0f} s"
        at_once = self._chosen_batch or crops_at_once(learning, self._config.task)
        return f", at most {time_left} left, {speed * at_once:.1f} images per second"
