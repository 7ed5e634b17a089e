"""What TensorBoard reads of trainings: curves, what they say, pictures, weights, and settings beside their figures."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from diatom_training.finetune.run_folder import RunFolder
from helpers.tiny import configured, draw_slides, train_here

EPOCHS = 2
RUNS = {"names": ("classes", 1e-3), "more-names": ("classes", 2e-3), "maps": ("semantic", 1e-3)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three trainings of two tasks."""
    folder = tmp_path_factory.mktemp("board")
    slides = draw_slides(folder)
    for name, (task, rate) in RUNS.items():
        config = configured(slides, task, learning={"epochs": EPOCHS, "rate": rate})
        assert train_here(RunFolder.create(folder / "runs" / name, config)).stage == "finished"
    return folder / "runs"


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder))
    read.Reload()
    return read


@pytest.mark.parametrize("name", RUNS)
def test_scalars_are_the_figures_of_each_epoch(runs: Path, name: str) -> None:
    read, history = events(runs / name / "tensorboard"), RunFolder(runs / name).history()
    task = RUNS[name][0]
    assert {"loss/sample", "loss/val", "loss/train", "loss/constant", "rate/rate"} <= set(read.Tags()["scalars"])
    assert {"classes": "accuracy/val", "semantic": "dice/val"}[task] in read.Tags()["scalars"]
    for tag in read.Tags()["scalars"]:
        what, part = tag.split("/")
        written = [epoch["rate" if tag == "rate/rate" else f"{part}_{what}"] for epoch in history]
        assert [event.step for event in read.Scalars(tag)] == [1, 2]
        assert [event.value for event in read.Scalars(tag)] == pytest.approx(written, rel=1e-5)
    constant = [event.value for event in read.Scalars("loss/constant")]
    assert constant[0] == constant[1] > 0


def test_losses_lie_in_one_chart_and_figures_in_another(runs: Path) -> None:
    read = events(runs / "maps" / "tensorboard")
    [event] = read.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = {chart.title: chart.multiline.tag for chart in layout.category[0].chart}
    shown = {
        title: {tag for tag in read.Tags()["scalars"] if any(re.match(pattern, tag) for pattern in patterns)}
        for title, patterns in charts.items()
    }
    assert list(shown.values()) == [{"loss/sample", "loss/val", "loss/constant"}, {"dice/val", "miou/val"}]


def test_what_the_curves_say_is_a_text(runs: Path) -> None:
    run = RunFolder(runs / "names")
    said = events(run / "tensorboard").Tensors("reading/text_summary")
    assert [event.step for event in said] == [1, 2]
    assert said[-1].tensor_proto.string_val[0].decode() == run.reading(run.history()).text


def test_pictures_and_weights_are_there(runs: Path) -> None:
    for name in RUNS:
        read = events(runs / name / "tensorboard")
        assert [event.step for event in read.Images("found/validation")] == [1, 2]
        assert all(event.width >= 64 and event.encoded_image_string for event in read.Images("found/validation"))
        weights = events(runs / name / "tensorboard" / "weights")
        layers = weights.Tags()["histograms"]
        assert len(layers) >= 10
        assert all(weights.Histograms(layer)[0].histogram_value.num > 0 for layer in layers)


def test_settings_of_all_tasks_lie_beside_what_they_reached(runs: Path) -> None:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(runs))
    multiplexer.Reload()
    context = Context(SimpleNamespace(data_provider=MultiplexerDataProvider(multiplexer, str(runs))))
    asked = RequestContext()
    known = context.hparams_metadata(asked, "")
    experiment = context.experiment_from_metadata(asked, "", True, known, None)
    assert {"task", "learning.rate", "learning.loss.dice", "learning.balance"} <= {
        info.name for info in experiment.hparam_infos
    }
    statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=10, allowed_statuses=statuses, include_metrics=True)
    groups = Handler(asked, context, "", wanted).run().session_groups
    shown = {group.sessions[0].name.split("/")[0]: group for group in groups}
    assert set(shown) == set(RUNS)
    for name, (task, rate) in RUNS.items():
        assert shown[name].hparams["task"].string_value == task
        assert shown[name].hparams["learning.rate"].number_value == rate
        reached = {metric.name.tag.removeprefix("best/"): metric.value for metric in shown[name].metric_values}
        assert any(
            reached == pytest.approx({key: epoch[key] for key in reached}, rel=1e-5) and reached.keys() == epoch.keys()
            for epoch in RunFolder(runs / name).history()
        )
