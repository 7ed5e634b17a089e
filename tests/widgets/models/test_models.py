"""The dock *Models*, opened as the menu does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog, QInputDialog

from helpers.window import child_of, dock_of, press
from napari_diatom.analysis import worker_process
from napari_diatom.models import library
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from napari_diatom.widgets.models.import_dialog import ImportDialog


@pytest.fixture
def toy(tmp_path: Path, monkeypatch) -> Path:
    """Return the folder of a model whose weights are four bytes; the user has no models."""
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr(worker_process, "devices", lambda: ("auto", "cpu"))
    home = tmp_path / "run" / "model"
    home.mkdir(parents=True)
    (home / WEIGHTS_FILE).write_bytes(b"toys")
    ModelCard(
        name="toy",
        version="1.0",
        task="oriented-boxes",
        engine="yolo",
        architecture="yolo11n-obb",
        classes=("Navicula", "<b>odd</b>"),
        tile_size=640,
        summary="For <i>tests</i>.",
        metrics={"precision": 0.75, "found": 12, "recall": 0.5, "specimens": 18},
        sha256=hashlib.sha256(b"toys").hexdigest(),
    ).write(home)
    return home


@pytest.fixture
def dock(viewer, toy):
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Models")
    return widget


@pytest.fixture
def bring(dock, qtbot, monkeypatch):
    """Import a file or folder; return what the dialog showed, and what the dock says in the end."""

    def go(path: Path, name: str = "", take: bool = True) -> tuple[str, str]:
        shown: list[str] = []

        def exec_(dialog):
            shown.append(child_of(dialog, "import_card").toPlainText())
            if name:
                child_of(dialog, "import_name").setText(name)
            assert not take or child_of(dialog, "import_take").isEnabled()
            return take

        monkeypatch.setattr(ImportDialog, "exec", exec_)
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (str(path), ""))
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(path))
        child_of(dock, "import_run" if path.is_dir() else "import_file").click()
        qtbot.waitUntil(child_of(dock, "import_file").isEnabled, timeout=60_000)
        return "".join(shown), child_of(dock, "message").text()

    return go


def test_a_model_is_shown_before_it_is_taken_then_renamed_exported_and_removed(
    dock, toy, bring, tmp_path, monkeypatch, viewer
):
    _, detect = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    chooser = child_of(detect, "model")
    card, said = bring(toy.parent, take=False)
    assert "Navicula, <b>odd</b>" in card
    assert "For <i>tests</i>." in card
    assert "0.750" in card
    assert "n = 12" in card
    assert card.count("too few to tell") == 1
    assert said == "Nothing was imported."
    assert chooser.findData("toy") < 0

    _, said = bring(toy.parent, "mine")
    assert said == "mine is now one of your models."
    assert chooser.findData("mine") >= 0
    assert "already, as mine" in bring(toy)[1]

    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("diatom-obb", True))
    child_of(dock, "rename_model").click()
    assert "already a model diatom-obb" in child_of(dock, "message").text()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("lake 1", True))
    child_of(dock, "rename_model").click()
    assert "cannot be called 'lake 1'" in child_of(dock, "message").text()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("lake", True))
    child_of(dock, "rename_model").click()
    assert chooser.findData("lake") >= 0
    assert library.resolve_model("lake").folder == tmp_path / "own" / "lake"

    out = tmp_path / "out" / "lake"
    out.parent.mkdir()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(out), ""))
    child_of(dock, "export_model").click()
    assert library.resolve_model(out.with_suffix(".diatom-model")).card.classes == ("Navicula", "<b>odd</b>")

    press("Keep the model")
    child_of(dock, "remove_model").click()
    assert chooser.findData("lake") >= 0
    press("Delete the model")
    child_of(dock, "remove_model").click()
    assert chooser.findData("lake") < 0
    assert not (tmp_path / "own" / "lake").exists()
    assert bring(out.with_suffix(".diatom-model"))[1] == "lake is now one of your models."


def test_bundled_models_cannot_be_renamed_or_removed(dock):
    dock.choose("diatom-obb")
    assert not child_of(dock, "remove_model").isEnabled()
    assert not child_of(dock, "rename_model").isEnabled()
    assert "Bundled models" in child_of(dock, "remove_model").toolTip()
    assert child_of(dock, "export_model").isEnabled()
    assert "diatom-obb" in child_of(dock, "card").toPlainText()


def test_what_is_not_a_model_is_refused_with_the_reason(dock, toy, bring, tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    assert "is not a model" in bring(tmp_path / "notes.txt")[1]
    (tmp_path / "bad.diatom-model").write_bytes(b"PK not a zip")
    assert "cannot be used as a model" in bring(tmp_path / "bad.diatom-model")[1]
    # A pickle that would call a function if it were loaded.
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    assert "evil.pt" in bring(tmp_path / "evil.pt")[1]
    assert not (tmp_path / "owned").exists()
    (toy / WEIGHTS_FILE).write_bytes(b"changed")
    assert "damaged or were changed" in bring(toy)[1]
    (toy / CARD_FILE).unlink()
    assert "model.yaml is missing" in bring(toy)[1]
    assert library.resolve_model("diatom-obb")
    assert not (tmp_path / "own").exists()


def test_the_model_chooser_opens_the_dock(viewer, toy, qtbot):
    _, detect = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
    child_of(detect, "open_models").click()
    dock = dock_of(viewer, "Models")
    assert child_of(dock, "models").topLevelItemCount() >= 5
