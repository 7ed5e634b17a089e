"""The dock widget *Fine-tune a model* with the task of outlines."""

import pytest
import torch

from diatom_training.finetune.config import TrainConfig
from helpers.tiny import NETWORKS
from helpers.window import child_of, model
from napari_diatom.engines import outline_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.widgets.detection.detect import DetectWidget
from napari_diatom.widgets.training.settings_page import SettingsPage
from napari_diatom.widgets.training.widget import FineTuneWidget


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def outliner(tmp_path_factory: pytest.TempPathFactory) -> library.ModelFolder:
    """A model for outlines, made before any window is open: napari's process does not load torchvision either."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    return write_model(
        folder / "outliner",
        outline_net.build(NETWORKS["outlines"]),
        ModelFacts(
            name="outliner",
            version="1",
            task="outlines",
            engine="outline",
            architecture=NETWORKS["outlines"],
            classes=("diatom",),
            tile_size=outline_net.TILE,
        ),
    )


def test_the_task_of_outlines_offers_its_starts_and_the_settings_that_have_an_effect(
    outliner, own_models, qtbot, tmp_path
):
    library.install(outliner)
    page = SettingsPage()
    qtbot.addWidget(page)
    page.show()
    child_of(page, "pixel_size_um").setValue(0.2)
    task, start = child_of(page, "task"), child_of(page, "start")
    task.setCurrentIndex(task.findData("outlines"))
    offered = [start.itemText(row) for row in range(start.count())]
    assert "outliner 1" in offered
    assert any(text.startswith("diatom-deeplab") and text.endswith("(its layers)") for text in offered)
    assert not any("diatom-obb" in text for text in offered)
    assert not child_of(page, "loss").isHidden()
    assert child_of(page, "learning.size").isHidden()
    assert child_of(page, "pixel_size_um").isHidden()
    child_of(page, "loss").setCurrentText("focal + Dice")
    config = TrainConfig.of(data=tmp_path, **page.entries())
    assert (config.task, config.one_class, config.pixel_size_um) == ("outlines", "diatom", None)
    assert (config.learning.loss.cross_entropy, config.learning.loss.focal) == (0, 1)
    assert config.learning.batch == 16
    task.setCurrentIndex(task.findData("oriented-boxes"))
    assert child_of(page, "loss").isHidden()
    assert not child_of(page, "learning.size").isHidden()
    assert page.entries()["pixel_size_um"] == pytest.approx(0.2)


def test_a_new_model_for_outlines_is_selected_where_boxes_are_outlined(outliner, viewer, own_models):
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    widget.use(outliner)
    assert child_of(widget, "finetune_message").text() == "outliner is now selected in Detect diatoms."
    detect = next(part for part in viewer.window.dock_widgets.values() if isinstance(part, DetectWidget))
    assert child_of(detect, "outlines").isChecked()
    assert child_of(detect, "outline_model").currentData() == "outliner"


def test_classifiers_start_from_the_backbone_of_the_bundled_embedder(own_models, qtbot, tmp_path):
    page = SettingsPage()
    qtbot.addWidget(page)
    task, start, preset = (child_of(page, name) for name in ("task", "start", "preset"))
    task.setCurrentIndex(task.findData("classes"))
    preset.setCurrentIndex(preset.findData("few"))
    assert start.currentData() == "diatom-embed"
    assert start.currentText().endswith("(its backbone)")
    assert start.findData("diatom-deeplab") >= 0
    config = TrainConfig.of(data=tmp_path, **page.entries())
    assert config.learning == TrainConfig.of(data=tmp_path, task="classes", preset="few").learning
    task.setCurrentIndex(task.findData("semantic"))
    assert start.currentData() == "diatom-deeplab"
    assert start.findData("diatom-embed") < 0


def test_each_task_has_its_usual_start(own_models, qtbot, monkeypatch):
    known = [model(name, task) for name, task in (("diatom-deeplab", "semantic"), ("diatom-outline", "outlines"))]
    monkeypatch.setattr(library, "available", lambda: known)
    page = SettingsPage()
    qtbot.addWidget(page)
    task, start = child_of(page, "task"), child_of(page, "start")
    for name, usual in (("semantic", "diatom-deeplab"), ("outlines", "diatom-outline"), ("semantic", "diatom-deeplab")):
        task.setCurrentIndex(task.findData(name))
        assert start.currentData() == usual
