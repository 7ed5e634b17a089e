"""The dock widget *Fine-tune a model*, from annotated slides to a model that is used."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from napari.layers import Shapes
from qtpy.QtWidgets import QDialog, QFileDialog, QLabel, QTableWidget
from skimage.io import imread

import napari_diatom.analysis.worker_process
from diatom_training.evaluation import training_curves
from diatom_training.finetune import recent_runs, resource_estimate, training_process
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning.augment_options import AUGMENTATIONS, AugmentOptions
from helpers.runs import trained
from helpers.tiny import configured, draw_slides
from helpers.window import child_of, press
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import UNWATCHED, Progress
from napari_diatom.models import library
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.detection.detect import DetectWidget
from napari_diatom.widgets.training.progress_page import ProgressPage
from napari_diatom.widgets.training.run_monitor import RunMonitor
from napari_diatom.widgets.training.settings_page import SettingsPage
from napari_diatom.widgets.training.widget import FineTuneWidget

TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 2}


@pytest.fixture
def slides(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return draw_slides(tmp_path)


def opened(viewer, slides, qtbot, **numbers):
    """Return the widget with slides and tiny settings."""
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    child_of(widget, "group").setText(r"^(s\d)_")
    widget.slides.set_data(slides)
    qtbot.waitUntil(lambda: widget.slides.dataset() is not None, timeout=20_000)
    child_of(widget, "start").setCurrentIndex(child_of(widget, "start").findData("scratch"))
    for name, value in {**TINY, **numbers}.items():
        child_of(widget, f"learning.{name}").setValue(value)
    child_of(widget, "device").setCurrentIndex(0)
    return widget


def test_from_annotated_slides_to_detections_with_the_new_model(viewer, slides, qtbot, tmp_path):
    widget = opened(viewer, slides, qtbot)
    table: QTableWidget = child_of(widget, "classes")
    shown = [[table.item(row, k).text() for k in range(4)] for row in range(table.rowCount())]
    assert shown == [
        ["needle", "4", "2", "2"],
        ["square", "4", "2", "2"],
        ["specimens", "8", "4", "4"],
        ["images", "4", "2", "2"],
        ["slides", "2", "1", "1"],
    ]
    warnings: QLabel = child_of(widget, "slides_message")
    assert "Fewer than 20 training specimens" in warnings.text()
    child_of(widget, "start_training").click()
    monitor = widget.progress.monitor
    assert monitor.is_running
    assert not child_of(widget, "start_training").isEnabled()
    qtbot.waitUntil(lambda: not monitor.is_running, timeout=300_000)
    assert child_of(widget, "train_message").text().startswith("Finished.")
    assert child_of(widget, "curves").isVisibleTo(widget.progress)
    assert not child_of(widget, "example").pixmap().isNull()
    assert "Recall" in child_of(widget, "test_figures").text()
    runs: QTableWidget = child_of(widget, "runs")
    assert [runs.item(0, column).text() for column in range(2)] == ["my-diatoms", "finished"]
    qtbot.waitUntil(lambda: runs.item(0, 2) is not None and "n = 4" in runs.item(0, 2).text(), timeout=20_000)
    assert child_of(widget, "start").findText("Earlier training: my-diatoms") >= 0

    alone = RunFolder.create(tmp_path / "alone", TrainConfig.read(monitor.folder / "config.yaml"))
    training_process.run(alone, UNWATCHED)
    assert alone.history() == monitor.folder.history()
    theirs, ours = (library.resolve_model(folder / "model").card for folder in (alone, monitor.folder))
    assert (ours.metrics, ours.thresholds, ours.sha256) == (theirs.metrics, theirs.thresholds, theirs.sha256)

    viewer.add_image(imread(slides.parent / "images" / "s0_0.png"), name="slide")
    child_of(widget, "use_model").click()
    detect = next(part for part in viewer.window.dock_widgets.values() if isinstance(part, DetectWidget))
    assert detect.value().model == "my-diatoms"
    assert library.resolve_model("my-diatoms").folder == tmp_path / "models" / "my-diatoms"
    detect.run()
    qtbot.waitUntil(lambda: not detect.value().running, timeout=300_000)
    assert any(isinstance(layer, Shapes) for layer in viewer.layers)


def test_a_training_outlives_the_window_only_when_asked(viewer, slides, qtbot):
    first = opened(viewer, slides, qtbot, epochs=500)
    child_of(first, "keep_going").setChecked(True)
    first.start()
    run = first.progress.monitor.folder
    qtbot.waitUntil(lambda: len(run.history()) > 0, timeout=60_000)
    viewer.window.remove_dock_widget(first)
    first.deleteLater()
    qtbot.wait(1500)
    assert run.state().stage == "running"
    process = psutil.Process(run.state().pid)

    second = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(second, name="Fine-tune again")
    assert second.progress.monitor.is_running
    assert recent_runs.list_runs()[0].path == run.path
    child_of(second, "stop_training").click()
    began = time.monotonic()
    qtbot.waitUntil(lambda: not second.progress.monitor.is_running, timeout=60_000)
    assert time.monotonic() - began < 4
    assert child_of(second, "resume_training").isEnabled()
    child_of(second, "keep_going").setChecked(False)
    child_of(second, "resume_training").click()
    qtbot.waitUntil(lambda: run.state().stage == "running", timeout=60_000)
    process = psutil.Process(run.state().pid)
    viewer.window.remove_dock_widget(second)
    second.deleteLater()
    qtbot.waitUntil(lambda: not process.is_running() or process.status() == "zombie", timeout=10_000)


def test_what_is_wrong_is_said_before_the_start(viewer, slides, qtbot):
    widget = opened(viewer, slides, qtbot)
    start = child_of(widget, "start_training")
    assert start.isEnabled()
    child_of(widget, "name").setText("no such name!")
    assert not start.isEnabled()
    why: QLabel = child_of(widget, "start_problem")
    assert why.text().startswith("Train is disabled: ")
    assert "name" in why.text()
    child_of(widget, "name").setText("mine")
    widget.slides.set_data(Path("gone"))
    qtbot.waitUntil(lambda: "does not exist" in why.text(), timeout=10_000)
    assert not start.isEnabled()
    assert widget.slides.problem() in why.text()
    assert child_of(widget, "slides_message").text() == ""
    # The images of one slide are divided by a single click.
    child_of(widget, "group").setText("^(s)")
    widget.slides.set_data(slides)
    qtbot.waitUntil(lambda: "come from 1 slide" in why.text(), timeout=10_000)
    child_of(widget, "each_image").click()
    qtbot.waitUntil(start.isEnabled, timeout=10_000)
    assert why.isHidden()
    assert widget.config().split.by == "image"


def test_every_setting_of_a_training_file_is_in_the_window(viewer, slides, qtbot):
    widget = opened(viewer, slides, qtbot)
    page, known = widget.slides, set(TrainConfig.model_fields)
    assert set(page.entries()) | set(SettingsPage().entries()) == known
    assert set(page.entries()["split"]) == set(TrainConfig.model_fields["split"].annotation.model_fields)
    first, second, *_ = page.dataset().classes
    child_of(widget, "chosen_classes").setText(f'"{second}", {first}')
    for part, slide in {"train": "s0", "validation": "s1", "test": "s2"}.items():
        child_of(widget, f"part_{part}").setText(slide)
    page.look()
    qtbot.waitUntil(lambda: page.dataset() is not None, timeout=20_000)
    assert page.dataset().classes == (second, first)
    assert [{image.group for image in images} for images in page.dataset().parts.values()] == [{"s0"}, {"s1"}, {"s2"}]
    assert widget.config().split.parts == {"train": ("s0",), "validation": ("s1",), "test": ("s2",)}
    child_of(widget, "part_test").setText("s2, nowhere")
    page.look()
    qtbot.waitUntil(lambda: "there is no slide or image nowhere" in (page.problem() or ""), timeout=20_000)


@pytest.mark.parametrize("part", ["split_seed", "one_class", "chosen_classes"])
def test_a_training_waits_for_the_slides_of_a_choice_that_was_just_made(viewer, slides, qtbot, part):
    widget = opened(viewer, slides, qtbot)
    start, before = child_of(widget, "start_training"), widget.slides.dataset()
    assert start.isEnabled()
    if part == "split_seed":
        child_of(widget, part).setValue(5)
    elif part == "one_class":
        child_of(widget, part).click()
    else:
        qtbot.keyClicks(child_of(widget, part), before.classes[0])
    assert not start.isEnabled()
    qtbot.waitUntil(start.isEnabled, timeout=20_000)
    assert widget.slides.dataset() is not before


def test_a_run_whose_files_are_damaged_is_passed_over(viewer, slides, qtbot, tmp_path):
    good = RunFolder.create(tmp_path / "good", configured(slides, "oriented-boxes"))
    bad = RunFolder.create(tmp_path / "bad", configured(slides, "oriented-boxes"))
    for run in (good, bad):
        (run / "model").mkdir()
        (run / "model" / "model.yaml").touch()
        recent_runs.remember(run)
    with (bad / "config.yaml").open("a") as stream:
        stream.write("colour: red\n")
    (bad / "run.json").write_text("{")
    (bad / "history.csv").write_text("epoch,val_loss\n1,much\n")
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    starts = child_of(widget, "start")
    assert starts.findData(str(good.path)) >= 0
    assert starts.findData(str(bad.path)) < 0
    assert widget.progress.monitor.folder.path == bad.path
    assert "damaged" in child_of(widget, "train_message").text()
    assert not child_of(widget, "curves").isVisibleTo(widget.progress)


def test_work_that_ends_after_the_window_tells_nobody(viewer, slides, qtbot, monkeypatch):
    begun, closed, ended = threading.Event(), threading.Event(), threading.Event()

    def late(*_):
        begun.set()
        closed.wait(10)
        ended.set()
        raise DiatomError("There is no room.")

    monkeypatch.setattr(resource_estimate, "call_aside", late)
    monkeypatch.setattr(napari_diatom.analysis.worker_process, "devices", lambda: ("auto",) if closed.wait(20) else ())
    widget = opened(viewer, slides, qtbot)
    widget.measure()
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    with qtbot.captureExceptions() as caught:
        qtbot.wait(50)
        closed.set()
        qtbot.waitUntil(ended.is_set)
        qtbot.wait(200)
    assert not caught


def test_the_preset_for_few_images_varies_them_strongly(slides, qtbot):
    strong = AugmentOptions(**AUGMENTATIONS["strong"])
    assert TrainConfig.of(data=slides, preset="few").learning.augment == strong
    page = SettingsPage()
    qtbot.addWidget(page)
    preset, variation = child_of(page, "preset"), child_of(page, "variation")
    shown = []
    for name in ("few", "standard"):
        preset.setCurrentIndex(preset.findData(name))
        shown.append(variation.currentText())
    assert shown == ["strong", "usual"]
    preset.setCurrentIndex(preset.findData("few"))
    assert TrainConfig.of(data=slides, **page.entries()).learning.augment == strong


def test_what_depends_on_the_whole_tile_is_told_below_the_network(slides, qtbot):
    page = SettingsPage()
    qtbot.addWidget(page)
    note = child_of(page, "network_note")
    page.choose_task("semantic")
    assert note.isHidden()
    page.take({"architecture": "pspnet/resnet18"})
    assert note.text().startswith("In PSPNet the features are averaged over all of the tile, so what is found")
    assert not note.isHidden()
    page.take({"architecture": "unet/resnet18"})
    assert note.isHidden()


def test_losses_to_choose_from_are_those_that_act_for_the_task(slides, qtbot):
    page = SettingsPage()
    qtbot.addWidget(page)
    loss = child_of(page, "loss")
    page.choose_task("semantic")
    loss.setCurrentText("binary cross-entropy + Dice")
    loss.setCurrentText("Dice")
    assert loss.currentText() == "Dice"
    loss.setCurrentText("binary cross-entropy")
    assert loss.currentText() == "binary cross-entropy"
    assert page.entries()["learning"]["loss"] == {"cross_entropy": 0.0, "binary_cross_entropy": 1.0, "dice": 0.0}
    assert TrainConfig.of(data=slides, **page.entries()).learning.activation == "sigmoid"
    page.choose_task("outlines")
    assert loss.findText("binary cross-entropy") < 0
    assert loss.currentText() == "cross-entropy + Dice"
    loss.setCurrentText("Dice")
    assert TrainConfig.of(data=slides, **page.entries()).learning.loss.parts() == {"dice": 1.0}


def test_a_chosen_file_stays_the_start_of_a_detector(slides, qtbot, tmp_path, monkeypatch):
    file = tmp_path / "mine.pt"
    file.touch()
    page = SettingsPage()
    qtbot.addWidget(page)
    start, task = child_of(page, "start"), child_of(page, "task")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    start.setCurrentIndex(start.findText("File of weights…"))
    start.activated.emit(start.currentIndex())
    news().changed.emit()
    assert start.currentData() == str(file)
    task.setCurrentIndex(task.findData("boxes"))
    assert start.currentData() == str(file)
    task.setCurrentIndex(task.findData("semantic"))
    assert start.findData(str(file)) < 0


def test_a_run_is_shown_with_what_its_last_attempt_warned_of(slides, qtbot, tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "run", configured(slides))
    for attempt in range(3):
        run.say(Progress("images", 0, 1))
        run.say(Progress("warning", message="few needles"))
        run.say(Progress("warning", message="no squares"))
        for step in range(attempt * 50, attempt * 50 + 50):
            run.say(Progress("step", step + 1, 150))
        run.say(Progress("epoch", attempt + 1, 3, values={"val_loss": 1.0}))
        if attempt == 1:
            run.say(Progress("stopped", message="Stopped as asked."))
    run.write_history([{"val_loss": 1.0}] * 3)
    page = ProgressPage()
    qtbot.addWidget(page)
    drawn, plot = [], training_curves.plot
    monkeypatch.setattr(training_curves, "plot", lambda *args: (drawn.append(args), plot(*args)))
    page.show_run(run)
    assert child_of(page, "train_message").toolTip() == "Few needles.\nNo squares."
    assert len(drawn) == 1
    assert child_of(page, "example_epoch").value() == 3

    # An attempt that ended before the slides were read warned of nothing.
    run.say(Progress("failed", message="There is no room."))
    run.say(Progress("failed", message="There is no room."))
    page.show_run(run)
    assert child_of(page, "train_message").toolTip() == ""


def test_a_pause_between_two_attempts_does_not_count_as_a_slow_step(slides, qtbot, tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "run", configured(slides))

    def learn(first, second):
        events = [Progress("images", 0, 1), *(Progress("step", first + k, 30) for k in range(10))]
        with (run / "events.jsonl").open("a") as stream:
            for k, progress in enumerate(events):
                stream.write(json.dumps(progress.to_json() | {"time": second + k}) + "\n")

    class Resumed:
        def __init__(self, folder):
            self.folder = folder

        def poll(self):
            return None

    learn(1, 1000)
    monkeypatch.setattr(training_process, "TrainingProcess", Resumed)
    monitor = RunMonitor()
    monitor.start(run)
    learn(11, 9000)
    monitor.look()
    assert (monitor.steps_per_second(), monitor.seconds_left()) == (1, 10)
    monitor.show(run)
    assert (monitor.steps_per_second(), monitor.seconds_left()) == (1, 10)


def test_tensorboard_does_not_outlive_a_program_that_crashed(tmp_path):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        + """
import time
from pathlib import Path
from napari_diatom.widgets.training.tensorboard_server import TensorBoardServer
server = TensorBoardServer()
server._listen = lambda process: [print(process.pid, line, flush=True) for line in process.stdout]
server.open(Path(sys.argv[1]))
time.sleep(600)
"""
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as program:
        line = next(line for line in program.stdout if b"http://localhost" in line)
        server = psutil.Process(int(line.split()[0]))
        program.kill()
    gone, _ = psutil.wait_procs([server], timeout=10)
    assert gone


@pytest.fixture
def cpu_alone(monkeypatch):
    """Keep the window from looking for GPUs in a process that would outlive the test."""
    monkeypatch.setattr(napari_diatom.analysis.worker_process, "devices", lambda: ("auto", "cpu"))


@pytest.mark.usefixtures("cpu_alone")
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_models_of_two_runs_keep_their_own_names_in_whatever_order_they_are_used(viewer, slides, qtbot, order):
    runs = {number: trained(slides, number, b"%d" % number) for number in (1, 2)}
    widget = opened(viewer, slides, qtbot)
    for number in (*order, *order):
        widget.progress.show_run(runs[number])
        child_of(widget, "use_model").click()
        name = runs[number].path.name
        detect = next(part for part in viewer.window.dock_widgets.values() if isinstance(part, DetectWidget))
        assert detect.value().model == name
        assert library.resolve_model(name).card.sha256 == library.resolve_model(runs[number] / "model").card.sha256
        assert child_of(widget, "finetune_message").text() == f"{name} is now selected in Detect diatoms."


@pytest.mark.usefixtures("cpu_alone")
def test_a_second_run_and_its_model_are_called_alike(viewer, slides, qtbot, monkeypatch):
    trained(slides, 1, b"1")
    widget = opened(viewer, slides, qtbot)
    begun = []
    monkeypatch.setattr(widget.progress, "start", begun.append)
    child_of(widget, "start_training").click()
    assert begun[0].path.name == begun[0].config().name == "my-diatoms-2"


@pytest.fixture
def stopped(viewer, slides, qtbot, monkeypatch):
    """The window beside a run of its own that was stopped, and the runs that it began, each as often as that."""
    begun = []

    class Stopped:
        def __init__(self, folder):
            self.folder = folder
            begun.append(folder)
            folder.write_state("stopped", "Stopped as asked.", pid=0)

        def poll(self):
            return self.folder.state()

        def stop(self):
            pass

    monkeypatch.setattr(training_process, "TrainingProcess", Stopped)
    widget = opened(viewer, slides, qtbot)
    child_of(widget, "start_training").click()
    qtbot.waitUntil(child_of(widget, "resume_training").isEnabled)
    return widget, begun


@pytest.mark.usefixtures("cpu_alone")
@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        ("Cancel", ["my-diatoms"]),
        ("Continue with its own settings", ["my-diatoms", "my-diatoms"]),
        ("Start a new training", ["my-diatoms", "my-diatoms-2"]),
    ],
)
def test_other_settings_in_the_window_are_named_before_a_training_continues(stopped, qtbot, answer, runs):
    widget, begun = stopped
    child_of(widget, "learning.epochs").setValue(7)
    child_of(widget, "split_seed").setValue(3)
    child_of(widget, "device").addItem("CUDA", "cuda")
    child_of(widget, "device").setCurrentIndex(child_of(widget, "device").findData("cuda"))
    widget.slides.look()
    qtbot.waitUntil(child_of(widget, "start_training").isEnabled, timeout=20_000)
    asked = press(answer)
    child_of(widget, "resume_training").click()
    assert [line for line in asked[0].splitlines() if line.startswith("•")] == [
        "• split.seed was 0, is 3",
        "• learning.epochs was 2, is 7",
    ]
    assert [run.path.name for run in begun] == runs
    assert begun[-1].config().learning.epochs == (7 if answer == "Start a new training" else 2)


@pytest.mark.usefixtures("cpu_alone")
def test_a_training_continues_at_once_beside_its_own_settings_or_none(stopped, qtbot):
    widget, begun = stopped
    child_of(widget, "name").setText("other")
    assert child_of(widget, "start_training").isEnabled()
    child_of(widget, "resume_training").click()
    qtbot.waitUntil(child_of(widget, "resume_training").isEnabled)
    child_of(widget, "data").setText("")
    child_of(widget, "learning.epochs").setValue(7)
    widget.slides.look()
    assert not child_of(widget, "start_training").isEnabled()
    child_of(widget, "resume_training").click()
    assert [run.path.name for run in begun] == ["my-diatoms"] * 3


@pytest.mark.usefixtures("cpu_alone")
def test_a_name_that_is_taken_is_said_to_be(viewer, slides, qtbot, tmp_path):
    other = trained(slides, 1, b"other")
    library.install(library.resolve_model(other / "model"))
    (slides.parent / "elsewhere").mkdir()
    slides.rename(slides.parent / "elsewhere" / slides.name)
    run = trained(slides.parent / "elsewhere" / slides.name, 1, b"1")
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    widget.progress.show_run(run)
    child_of(widget, "use_model").click()
    message = child_of(widget, "finetune_message").text()
    assert message == "my-diatoms-2 is now selected in Detect diatoms. Another model is already called my-diatoms."


def test_test_figures_of_two_specimens_are_shown_with_their_number_and_interval(viewer, slides, qtbot):
    page = ProgressPage()
    qtbot.addWidget(page)
    page.show_run(trained(slides, 1, b"1"))
    shown = child_of(page, "test_figures").text()
    assert "2 specimens" in shown
    assert shown.count("too few to tell") == 1
    assert "Precision: <b>1.000</b> (0.342 to 1.000, n = 2)" in shown
    assert "Recall: <b>1.000</b> (0.342 to 1.000, n = 2)" in shown


def test_the_augmentation_is_chosen_by_name_and_shown_on_the_user_s_own_specimens(viewer, slides, qtbot):
    widget = opened(viewer, slides, qtbot)
    task, variation = child_of(widget, "task"), child_of(widget, "variation")
    named = [variation.itemText(k) for k in range(variation.count())]
    assert named == ["usual", "none", "strong", "dic", "handed"]
    variation.setCurrentText("handed")
    assert child_of(widget, "learning.augment.flip_horizontal").value() == 0
    assert widget.config().learning.augment == AugmentOptions.model_validate("handed")
    pictures = []
    for value in ("handed", "none"):
        variation.setCurrentText(value)
        child_of(widget, "preview_augmentation").click()
        qtbot.waitUntil(lambda: widget.findChild(QDialog, "augmentation_preview") is not None, timeout=120_000)
        dialog = widget.findChild(QDialog, "augmentation_preview")
        assert dialog.isVisible()
        pictures.append(dialog.picture.pixmap.toImage())
        dialog.close()
        qtbot.waitUntil(lambda: widget.findChild(QDialog, "augmentation_preview") is None)
    assert pictures[0].size() == pictures[1].size()
    assert pictures[0] != pictures[1]
    assert recent_runs.list_runs() == []
    child_of(widget, "learning.augment.blur").setValue(0.5)
    assert variation.currentText() == "own"
    task.setCurrentIndex(task.findData("classes"))
    assert variation.findText("dic") < 0
    assert variation.currentText() == "usual"
