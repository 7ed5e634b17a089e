"""Fine-tuning, from a file of settings to a tested model, on drawn slides of a few pixels."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import pytest

from diatom_training.cli import train as command
from diatom_training.data.annotated_slides import PARTS
from diatom_training.evaluation import curve_diagnosis
from diatom_training.finetune import (
    dataset,
    initial_weights,
    recent_runs,
    resource_estimate,
    training_process,
    training_run,
)
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.data_split import DataSplit
from diatom_training.finetune.presets import PRESET_TEXTS
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning.augment_options import AUGMENTATIONS, AugmentOptions
from diatom_training.learning.segmentation_loss import MapLoss
from diatom_training.recipes.ultralytics_export import to_ultralytics
from helpers.tiny import NETWORKS, configured, draw_slides, train_here
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines import networks
from napari_diatom.models import library


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


@pytest.mark.parametrize("task", NETWORKS)
def test_every_task_is_trained(tmp_path: Path, slides: Path, task: str) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides, task, name="mine"))
    seen: list[Progress] = []
    # One child process shows that all of them can be: it loads its libraries for ten seconds.
    train = training_process.run if task == "oriented-boxes" else train_here
    state = train(folder, ProgressMonitor(seen.append))
    assert state.stage == "finished"
    assert [progress.done for progress in seen if progress.stage == "epoch"] == [1, 2]
    assert len(folder.history()) == 2
    assert folder.history()[1]["val_loss"] > 0
    model = library.resolve_model(str(folder / "model"))
    model.verify()
    classes = ("diatom",) if task == "outlines" else ("needle", "square")
    assert (model.card.name, model.card.task, model.card.classes) == ("mine", task, classes)
    warned = any("its threshold could not be tuned" in progress.message for progress in seen)
    assert set(model.card.thresholds) == (set() if warned or task == "outlines" else {"needle", "square"})
    assert {"classes": "macro_f1", "outlines": "outline_dice"}.get(task, "recall") in model.card.metrics
    assert (model.card.naming is not None) == (task == "classes")
    written = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    figures = written["naming"] or (written["detection"] or {"overall": {}})["overall"]
    for ours, theirs in (("macro_f1", "f1"), ("accuracy", "accuracy"), ("recall", "recall"), ("ap50", "ap50")):
        if ours in model.card.metrics:
            assert model.card.metrics[ours] == round(figures[theirs], 4)
    assert (written["maps"] is not None) == (task in ("semantic", "instances"))
    assert "How good is mine 1.0?" in (folder / "report" / "report.html").read_text(encoding="utf-8")
    parts = json.loads((folder / "split.json").read_text())["parts"]
    assert sorted(len(part) for part in parts.values()) == [2, 2, 4]
    whose = [{image["slide"] for image in part} for part in parts.values()]
    assert not whose[0] & whose[1] | whose[0] & whose[2] | whose[1] & whose[2]
    assert (folder / "curves.png").stat().st_size > 5000
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    looked = cv2.imread(str(folder.example(2)))
    assert looked.shape[1] > looked.shape[0] >= 64
    with pytest.raises(InputError, match="finished"):
        training_process.TrainingProcess(folder)


def test_masks_learnt_with_dropout_become_a_model(tmp_path: Path, slides: Path) -> None:
    run = RunFolder.create(tmp_path / "run", configured(slides, "instances", learning={"dropout": 0.3, "epochs": 1}))
    assert train_here(run).stage == "finished"
    library.resolve_model(run / "model").verify()


def test_a_run_ended_from_outside_goes_on_to_the_same_figures(tmp_path: Path, slides: Path) -> None:
    config = configured(slides, learning={"epochs": 3})
    whole = RunFolder.create(tmp_path / "whole", config)
    train_here(whole)
    halves = RunFolder.create(tmp_path / "halves", config)
    process = training_process.TrainingProcess(halves)
    while not halves.history():
        time.sleep(0.05)
    os.kill(process.folder.state().pid, signal.SIGKILL)
    while process.poll() is None:
        time.sleep(0.05)
    assert halves.state().stage == "stopped"
    training_process.run(halves, UNWATCHED)
    assert halves.history() == whole.history()
    theirs = library.resolve_model(str(whole / "model")).card.metrics
    assert library.resolve_model(str(halves / "model")).card.metrics == theirs


@pytest.mark.parametrize("keeps", [False, True])
def test_a_run_whose_starter_is_gone_stops_unless_it_is_to_go_on(tmp_path: Path, slides: Path, keeps: bool) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides, learning={"epochs": 500 if not keeps else 3}))
    folder.keep_going(keeps)
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom pathlib import Path\n"
    code += "from diatom_training.finetune import run_folder, training_process\n"
    code += f"training_process.TrainingProcess(run_folder.RunFolder(Path({str(folder.path)!r})))"
    subprocess.run([sys.executable, "-c", code], check=True)
    deadline = time.monotonic() + 120
    while folder.state().stage in ("new", "running") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert folder.state().stage == ("finished" if keeps else "stopped")
    assert recent_runs.list_runs()[0].path == folder.path


def test_what_a_training_would_learn_from_is_told(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = resource_estimate.Estimate(20.0, 1.0, 2.0, 0.1, 10, 2, 1.0, 80.0, 1_500_000_000, "cpu")
    monkeypatch.setattr(command, "estimate", lambda config: told)
    configured(slides, learning={"epochs": 60}).write(tmp_path / "mine.yaml")
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train: 4 images of 2 slides: 4 needle, 4 square"
    assert lines[2] == "test: 2 images of 1 slide: 2 needle, 2 square"
    assert "fewer than 20 training specimens" in lines[3]
    assert lines[-1] == "About 8 min for 60 epochs and the test, 1.5 GB of memory."
    assert not (tmp_path / "runs").exists()


def test_time_and_memory_are_told_before_the_start(slides: Path) -> None:
    config = configured(slides, learning={"epochs": 50})
    begun = time.perf_counter()
    told = resource_estimate.estimate(config)
    spent = time.perf_counter() - begun
    assert 0 < told.step_seconds < 30
    assert told.device == "cpu"
    assert 1e8 < told.memory_bytes < 2e10
    assert 0 < told.judging_seconds < spent
    # Two steps an epoch, two epochs with a frozen backbone; two crops of the validation, and eight of the sample.
    assert (told.looked_crops, told.validated_crops) == (10, 2)
    epoch = 10 * told.crop_seconds + told.epoch_seconds
    steps = 2 * (2 * told.frozen_seconds + 48 * told.step_seconds)
    assert told.seconds(config) == pytest.approx(told.begin_seconds + steps + 50 * epoch + told.judging_seconds)
    assert "for 50 epochs" in told.text(config)
    longer = config.replace(composed={"epochs": 25})
    more = 2 * (2 * told.frozen_seconds + 23 * told.step_seconds) + 25 * epoch
    assert told.seconds(longer) - told.seconds(config) == pytest.approx(more)
    assert "for 75 epochs" in told.text(longer)
    with pytest.raises(InputError, match="does not exist"):
        resource_estimate.measure_steps(config.replace(data=slides.parent / "gone.json"))
    with pytest.raises(Stopped):
        resource_estimate.estimate(config, ProgressMonitor(should_stop=lambda: True))


def test_what_is_done_aside_leaves_nothing_behind(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "untidy.py").write_text(
        "import tempfile\nfrom napari_diatom.core.errors import InputError\n"
        "def make(config, monitor):\n    return tempfile.mkdtemp()\n"
        "def refuse(config, monitor):\n    raise InputError('There are no slides.')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="no slides"):
        resource_estimate.call_aside("untidy:refuse", configured(slides), UNWATCHED)
    made = Path(resource_estimate.call_aside("untidy:make", configured(slides), UNWATCHED))
    assert made.parent.name.startswith("napari-diatom-")
    assert not made.parent.exists()


def test_a_run_stops_within_three_seconds_and_keeps_its_best_weights(tmp_path: Path, slides: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides, learning={"epochs": 500}))
    stop = threading.Event()
    asked: list[float] = []

    def stop_later(progress: Progress) -> None:
        if progress.stage == "epoch" and progress.done == 2:
            asked.append(time.monotonic())
            stop.set()

    with pytest.raises(Stopped):
        training_process.run(folder, ProgressMonitor(stop_later, stop.is_set))
    assert time.monotonic() - asked[0] < 3.5
    assert folder.state().stage == "stopped"
    assert not (folder / "stop").exists()
    library.resolve_model(folder / "model").verify()


def test_settings_survive_their_file_and_tell_every_problem(tmp_path: Path) -> None:
    for preset in PRESET_TEXTS:
        config = TrainConfig.of(data=tmp_path / "p", task="instances", preset=preset, learning={"rate": 0.01})
        assert config.start == "diatom-maskrcnn"
        asked = config.replace(learning={"patience": None, "epochs": 7})
        assert asked.options("x", ("a",)).patience == 7
        config.write(tmp_path / "a.yaml")
        assert TrainConfig.read(tmp_path / "a.yaml") == config
    (tmp_path / "b.yaml").write_text("data: slides\nlearning: {epochs: 3}\n")
    assert TrainConfig.read(tmp_path / "b.yaml").data == tmp_path / "slides"
    (tmp_path / "e.yaml").write_text("data: slides\npreset: few\nlearning: {augment: {blur: 0.9}}\n")
    strong = AugmentOptions(**AUGMENTATIONS["strong"])
    assert TrainConfig.read(tmp_path / "e.yaml").learning.augment == strong.model_copy(update={"blur": 0.9})
    (tmp_path / "c.yaml").write_text(
        "data: x\npreset: fast\ngroup: '('\nsplit: {shares: 90-20}\nlearning: {epochs: 0, rates: 1}\ncolour: red\n"
    )
    with pytest.raises(InputError) as caught:
        TrainConfig.read(tmp_path / "c.yaml")
    for word in ("preset", "group", "split.shares", "epochs", "rates", "colour"):
        assert word in str(caught.value)
    wrong = {
        "": "does not describe a training",
        "a: [": "YAML",
        "data: x\nlearning: {classes: [a]}": "learning.classes: this entry belongs one level higher",
        "data: x\ntask: [boxes]": "task: must be .*",
        "data: x\nclasses: Navicula": r"must be a list, such as \[Navicula\]",
        "data: x\nclasses: [a, a]": "a is listed twice",
        "data: x\nlearning: {augment: {blurr: 1}}": r"augment.blurr: unknown entry \(do you mean blur",
        "data: x\nsplit: {parts: {train: [35]}}": "a number in quotes",
        "data: x\nname: my diatoms": "is not a name for a model",
        "data: x\nlearning: {epochs: 3, size: 100}": "must be a multiple of 32",
        "data: 3\nlearning: 4": "path of a file or folder; learning: must be named entries",
    }
    for text, word in wrong.items():
        (tmp_path / "d.yaml").write_text(text)
        with pytest.raises(InputError, match=word):
            TrainConfig.read(tmp_path / "d.yaml")
    with pytest.raises(InputError, match="ImageNet"):
        TrainConfig.of(data=tmp_path, task="boxes", start="imagenet", learning={})


def test_data_are_divided_by_slide_and_their_faults_are_told(slides: Path) -> None:
    data = dataset.read(configured(slides))
    assert data.classes == ("needle", "square")
    assert any("needle 4, square 4" in line for line in data.warnings)
    one = dataset.read(configured(slides, one_class="diatom"))
    assert one.classes == ("diatom",)
    assert one.count("train")["diatom"] == 8
    chosen = dataset.read(configured(slides, classes=("square",)))
    assert chosen.count("train") == {"square": 4}
    shown = dataset.examples(chosen, "train", configured(slides), 1024, slides.parent / "cache")
    assert [len(example.outlines) for example in shown] == [1] * 4
    with pytest.raises(InputError, match="no specimens of circle; it has needle, square"):
        dataset.read(configured(slides, classes=("circle",)))
    with pytest.raises(InputError, match="finds no slide"):
        dataset.read(configured(slides).replace(group=r"^(t\d)_"))
    with pytest.raises(InputError, match="come from 1 slide,"):
        dataset.read(configured(slides).replace(group=r"^(s)"))
    alone = dataset.read(configured(slides).replace(group=r"^(s)", split={"by": "image"}))
    assert len({slide.group for part in alone.parts.values() for slide in part}) == 8
    assert any("each image is treated as a slide" in line for line in alone.warnings)
    with pytest.raises(InputError, match="does not exist"):
        dataset.read(configured(slides).replace(data="nowhere"))


def test_a_run_goes_on_with_the_slides_that_it_began_with(tmp_path: Path, slides: Path) -> None:
    config = configured(slides)
    folder = RunFolder.create(tmp_path / "run", config)
    assert folder.division() is None
    began = dataset.read(config)
    (folder / "split.json").write_text(json.dumps(began.to_json()))
    data = json.loads(slides.read_text())
    # The slide that was tested on gets many more specimens, and there is a new one, which would all be divided anew.
    tested = {slide.name for slide in began.parts["test"]}
    ids = [image["id"] for image in data["images"] if image["file_name"] in tested]
    extra = [note for note in data["annotations"] if note["image_id"] in ids for _ in range(6)]
    data["annotations"] += [note | {"id": 1000 + k} for k, note in enumerate(extra)]
    for number in range(2):
        shutil.copy(slides.parent / "images" / "s0_0.png", slides.parent / "images" / f"s9_{number}.png")
        data["images"].append({"id": 90 + number, "file_name": f"s9_{number}.png", "height": 96, "width": 120})
        for k, note in enumerate([note for note in data["annotations"] if note["image_id"] == 0]):
            data["annotations"].append(note | {"id": 2000 + 9 * number + k, "image_id": 90 + number})
    slides.write_text(json.dumps(data))
    division = folder.division()
    assert division is not None
    again = dataset.read(config, begun=division)
    for part in ("train", "validation", "test"):
        assert [slide.name for slide in again.parts[part]] == [slide.name for slide in began.parts[part]]
    assert any("2 annotated images are in no part" in line for line in again.warnings)
    assert any("2 images have different specimens since the training started" in line for line in again.warnings)
    data["images"] = [image for image in data["images"] if image["id"] != 1]
    data["annotations"] = [note for note in data["annotations"] if note["image_id"] != 1]
    slides.write_text(json.dumps(data))
    later = dataset.read(config, begun=division)
    assert any("1 image is gone" in line and "s0_1.png" in line for line in later.warnings)


def test_a_run_goes_on_with_its_slides_in_the_order_that_they_had(slides: Path) -> None:
    config = configured(slides)
    began = dataset.read(config)
    (slides.parent / "split.json").write_text(json.dumps(began.to_json()))
    division = DataSplit.read(slides.parent / "split.json")
    data = json.loads(slides.read_text())
    data["images"].reverse()
    slides.write_text(json.dumps(data))
    assert [slide.name for slide in dataset.read(config).parts["train"]] != [s.name for s in began.parts["train"]]
    again = dataset.read(config, begun=division)
    for part in PARTS:
        assert [slide.name for slide in again.parts[part]] == [slide.name for slide in began.parts[part]]


def test_a_run_killed_between_the_last_checkpoint_and_its_figures_has_them_all(tmp_path: Path, slides: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides))
    assert training_run.work(folder) == 0
    whole = folder.history()
    rows = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("\n".join(rows[:-1]) + "\n")
    (folder / "curves.png").unlink()
    folder.write_state("stopped")
    assert training_run.work(folder) == 0
    assert folder.history() == whole
    assert (folder / "curves.png").exists()


def test_each_class_of_a_map_may_have_a_weight_of_its_own(tmp_path: Path, slides: Path) -> None:
    def weighted(*weights: float, **entries: Any) -> TrainConfig:
        return configured(slides, learning={"loss": {"class_weights": weights}}, **entries)

    config = weighted(0.5, 1.0, 3.0)
    config.write(tmp_path / "maps.yaml")
    read_again = TrainConfig.read(tmp_path / "maps.yaml").learning.loss.class_weights
    options = config.options(NETWORKS["semantic"], dataset.read(config).classes)
    assert read_again == options.loss.class_weights == (0.5, 1.0, 3.0)
    assert MapLoss(options).parts["cross_entropy"].weight.tolist() == [0.5, 1.0, 3.0]
    with pytest.raises(InputError, match=r"needs 3 numbers, the background's first, and has 2; the classes are needle"):
        weighted(1.0, 2.0).options(NETWORKS["semantic"], ("needle", "square"))
    with pytest.raises(InputError, match="class_weights needs 2 numbers"):
        weighted(1.0, 2.0, 3.0, one_class="diatom")


def test_a_class_that_cannot_be_learnt_is_told_before_the_start(slides: Path) -> None:
    data = json.loads(slides.read_text())
    config = configured(slides)
    began = dataset.read(config).parts
    tested = {slide.name for slide in began["test"]}
    ids = {image["id"] for image in data["images"] if image["file_name"] in tested}
    data["categories"].append({"id": 3, "name": "rare"})
    for note in data["annotations"]:
        if note["image_id"] in ids and note["category_id"] == 2:
            note["category_id"] = 3
    slides.write_text(json.dumps(data))
    parts = {part: sorted({slide.group for slide in began[part]}) for part in PARTS}
    with pytest.raises(InputError, match="no training specimens of rare"):
        dataset.read(config.replace(split={"parts": parts}))
    assert dataset.read(config.replace(split={"parts": parts}, without=("rare",))).classes == ("needle", "square")
    with pytest.raises(InputError, match="no round to leave out; it has needle, rare, square"):
        dataset.read(config.replace(without=("round",)))


def test_what_a_start_has_learnt_from_is_no_test(tmp_path: Path, slides: Path) -> None:
    first = RunFolder.create(tmp_path / "first", configured(slides))
    train_here(first)
    others = {"shares": "70-15-15", "seed": 3}
    second = RunFolder.create(tmp_path / "second", configured(slides, start=str(first.path), split=others))
    said: list[str] = []
    train_here(second, ProgressMonitor(lambda progress: said.append(progress.message)))
    assert any("the starting model was trained on 2 images of the" in line for line in said)
    seen = library.resolve_model(second / "model").card.training["images_seen"]
    assert len(seen["before"]) == 6


def test_a_run_is_begun_once(tmp_path: Path, slides: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides, learning={"epochs": 500}))
    begun: list[training_process.TrainingProcess] = []
    refused: list[str] = []

    def begin() -> None:
        try:
            begun.append(training_process.TrainingProcess(folder))
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert len(refused) == 3
    assert "is being trained already" in refused[0]
    os.kill(folder.state().pid, signal.SIGKILL)
    while begun[0].poll() is None:
        time.sleep(0.02)


def test_a_dead_child_is_no_stop(tmp_path: Path, slides: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", configured(slides))
    process = training_process.TrainingProcess(folder)
    with pytest.raises(InputError, match="trained already"):
        training_process.TrainingProcess(folder)
    os.kill(folder.state().pid, signal.SIGKILL)
    while (state := process.poll()) is None:
        time.sleep(0.05)
    assert state.stage == "failed"
    assert "signal 9" in state.message
    assert folder.state().stage == "stopped"


def test_settings_that_changed_since_are_not_passed_over(tmp_path: Path, slides: Path) -> None:
    file = tmp_path / "mine.yaml"
    configured(slides, name="mine").write(file)
    RunFolder.create(tmp_path / "runs" / "mine", TrainConfig.read(file))
    configured(slides, name="mine", learning={"epochs": 9}).write(file)
    assert cli.main(["train", str(file), "--resume"]) == 2
    assert cli.main(["train", str(file), "--check", "--folds", "3"]) == 2
    (tmp_path / "first").mkdir()
    file.write_text("data: slides.json\nstart: first\n")
    assert TrainConfig.read(file).start == str(tmp_path / "first")


def test_a_start_has_to_go_with_the_task(slides: Path) -> None:
    with pytest.raises(InputError, match="model for semantic"):
        initial_weights.resolve(configured(slides, "instances", start="diatom-deeplab", architecture=None))
    with pytest.raises(InputError, match="network for semantic"):
        initial_weights.resolve(configured(slides, "instances", architecture=NETWORKS["semantic"]))
    for detector in ("diatom-deeplab", "diatom-maskrcnn"):
        named = initial_weights.resolve(configured(slides, "classes", start=detector, architecture=None))
        assert named.architecture == "classifier/tf_efficientnet_lite0/224"
        assert named.backbone is not None
        network = networks.build(named.architecture, 2).get_submodule("encoder").state_dict()
        assert sum(name in network for name in named.backbone) > 200
    with pytest.raises(InputError, match="model for oriented-boxes"):
        initial_weights.resolve(configured(slides, "classes", start="diatom-obb", architecture=None))
    config = TrainConfig.of(data=slides, task="classes", preset="few")
    assert (config.start, config.learning.rate, config.learning.frozen_epochs) == ("diatom-embed", 4e-3, 8)
    usual = initial_weights.resolve(config)
    assert (usual.architecture, usual.licence) == ("classifier/tf_efficientnet_lite0/224", "Apache-2.0")
    assert usual.standard is not None
    assert (usual.standard.mean, usual.standard.std) == ((0.5,) * 3, (0.5,) * 3)
    assert usual.backbone is not None
    assert sum(name in usual.backbone for name in network) == len(network)
    found = initial_weights.resolve(configured(slides, "boxes", start="diatom-obb", architecture=None))
    assert found.architecture == "yolo11n"
    assert found.weights is not None
    upright = to_ultralytics(library.resolve_model("diatom-box"), slides.parent / "weights.pt")
    found = initial_weights.resolve(configured(slides, "oriented-boxes", start=str(upright), architecture=None))
    assert found.architecture == "yolo11n-obb"
    assert found.weights is not None


def curve(*losses: float, rest: float = 0.0) -> list[dict[str, float]]:
    """Return a history with a training loss that falls by a tenth each epoch, down to where it rests."""
    return [{"train_loss": max(0.9**k, rest), "val_loss": loss, "val_ap50": 0.7} for k, loss in enumerate(losses)]


def test_curves_are_read_in_plain_words() -> None:
    assert curve_diagnosis.read(curve(1, 0.9)).verdict == "early"
    assert curve_diagnosis.read(curve(1, 0.9, 0.8, 0.7, 0.62, 0.55)).verdict == "unfinished"
    over = curve_diagnosis.read(curve(1, 0.8, 0.7, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9))
    assert (over.verdict, over.best_epoch) == ("overfitting", 4)
    assert curve_diagnosis.read(curve(1, 0.6, 0.5, *[0.5] * 12)).verdict == "overfitting"
    flat = curve(1, 0.6, 0.5, *[0.5] * 12, rest=0.45)
    assert curve_diagnosis.read(flat).verdict == "good"
    assert curve_diagnosis.read([epoch | {"val_ap50": 0.1} for epoch in flat]).verdict == "underfitting"
    assert curve_diagnosis.read(curve(1, 0.5, 1.2, 0.5, 1.3, 0.6, 1.2, 0.6)).verdict == "unstable"


def test_a_folder_of_something_else_is_refused(tmp_path: Path, slides: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        RunFolder.create(slides.parent, configured(slides))
    with pytest.raises(InputError, match="is not a training run"):
        RunFolder.open(tmp_path)
    broken = configured(slides).replace(classes=("circle",))
    folder = RunFolder.create(tmp_path / "run", broken)
    with pytest.raises(Exception, match="no specimens of circle"):
        training_process.run(folder, UNWATCHED)
    assert folder.state().stage == "failed"
    # What came to nothing is in nobody's way; anything else in the folder is.
    note = tmp_path / "run" / "note.txt"
    note.touch()
    with pytest.raises(InputError, match="not empty"):
        RunFolder.create(tmp_path / "run", configured(slides))
    assert folder.config() == broken.absolute()
    note.unlink()
    again = RunFolder.create(tmp_path / "run", configured(slides))
    assert again.config() == configured(slides).absolute()
    assert again.state().stage == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_an_interrupt_stops_the_child_in_order(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(slides).write(tmp_path / "a.yaml")

    def train(folder: RunFolder, monitor: ProgressMonitor) -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            if monitor.should_stop():
                raise Stopped("Stopped as asked; the best weights so far are saved in the run's model.")
            time.sleep(0.1)

    monkeypatch.setattr(training_process, "run", train)
    # Processes that run tests side by side ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert cli.main(["train", str(tmp_path / "a.yaml")]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "the best weights so far" in capsys.readouterr().out
