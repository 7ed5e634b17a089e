import shutil
from pathlib import Path

import pytest

from napari_diatom.errors import ModelError
from napari_diatom.models import library
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder whose weights are four bytes."""
    import hashlib

    home = tmp_path / "toy"
    home.mkdir()
    (home / WEIGHTS_FILE).write_bytes(b"toys")
    card = ModelCard(
        name="toy",
        version="1.0",
        task="oriented-boxes",
        engine="yolo",
        architecture="yolo11n-obb",
        classes=("diatom",),
        tile_size=640,
        thresholds={"diatom": 0.4},
        sha256=hashlib.sha256(b"toys").hexdigest(),
    )
    card.write(home)
    return home


def test_a_card_survives_its_file(folder: Path) -> None:
    card = ModelCard.read(folder)
    card.write(folder)
    assert ModelCard.read(folder) == card
    assert card.threshold() == 0.4


def test_all_faults_of_a_card_are_named(folder: Path) -> None:
    text = (folder / CARD_FILE).read_text().replace("tile_size: 640", "tile_size: -1\nsurprise: 1")
    (folder / CARD_FILE).write_text(text)
    with pytest.raises(ModelError, match=r"(?s)tile_size.*surprise|surprise.*tile_size"):
        ModelCard.read(folder)
    (folder / CARD_FILE).write_text("{ no yaml")
    with pytest.raises(ModelError, match="cannot be read"):
        ModelCard.read(folder)


def test_models_are_found_by_name_folder_and_archive(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(folder.parent))
    assert library.find("toy").folder == folder
    assert library.find(folder).card.name == "toy"
    packed = tmp_path / "toy.diatom-model"
    library.pack(library.find("toy"), packed)
    found = library.find(packed)
    found.verify()
    assert found.card == library.find("toy").card


def test_an_unknown_name_lists_the_known_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(folder.parent))
    with pytest.raises(ModelError, match=r"Did you mean toy\?.*toy"):
        library.find("toyy")


def test_damaged_models_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(b"tricks")
    with pytest.raises(ModelError, match="damaged or were changed"):
        library.find(folder).verify()
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="no readable weights"):
        library.find(folder).verify()
    broken = tmp_path / "broken.diatom-model"
    broken.write_text("no archive")
    with pytest.raises(ModelError, match=r"no \.diatom-model file"):
        library.find(broken)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(ModelError, match=r"no model\.yaml"):
        library.find(folder)
