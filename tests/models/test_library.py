import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from napari_diatom.cli import app as cli
from napari_diatom.core.errors import ModelError
from napari_diatom.models import library
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder whose weights are four bytes."""
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
    assert library.resolve_model("toy").folder == folder
    assert library.resolve_model(folder).card.name == "toy"
    packed = tmp_path / "toy.diatom-model"
    library.pack_model(library.resolve_model("toy"), packed)
    found = library.resolve_model(packed)
    found.verify()
    assert found.card == library.resolve_model("toy").card


def test_a_model_becomes_one_of_the_users_own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    run = tmp_path / "run"
    shutil.copytree(folder, run / "model")
    assert cli.main(["models", "import", str(run)]) == 0
    assert library.resolve_model("toy").folder == tmp_path / "own" / "toy"
    library.resolve_model("toy").verify()
    assert library.install(library.resolve_model(folder)).folder == tmp_path / "own" / "toy"

    card = ModelCard.read(folder)
    (folder / WEIGHTS_FILE).write_bytes(b"others")
    card.model_copy(update={"sha256": hashlib.sha256(b"others").hexdigest()}).write(folder)
    assert library.install(library.resolve_model(folder)).card.name == "toy-2"
    assert {"toy", "toy-2"} <= {model.card.name for model in library.available()}
    (folder / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged"):
        library.install(library.resolve_model(folder))
    assert cli.main(["models", "import", str(run), "--name", "other"]) == 2


def test_a_model_that_was_judged_anew_is_installed_with_its_new_card(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    monkeypatch.setattr(library, "BUNDLED", tmp_path / "bundled")
    library.install(library.resolve_model(folder))
    ModelCard.read(folder).model_copy(update={"thresholds": {"diatom": 0.6}, "metrics": {"f1": 0.9}}).write(folder)
    assert library.install(library.resolve_model(folder)).folder == tmp_path / "own" / "toy"
    assert library.resolve_model("toy").card == ModelCard.read(folder)

    (tmp_path / "own").rename(tmp_path / "bundled")
    assert library.install(library.resolve_model(folder)).folder == tmp_path / "bundled" / "toy"
    ModelCard.read(folder).model_copy(update={"thresholds": {"diatom": 0.7}}).write(folder)
    for _ in range(2):
        assert library.install(library.resolve_model(folder)).folder == tmp_path / "own" / "toy-2"
    assert library.resolve_model("toy-2").card.threshold() == 0.7
    assert library.resolve_model("toy").card.threshold() == 0.6


def test_names_that_differ_in_capitals_alone_are_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    library.install(library.resolve_model(folder))
    card = ModelCard.read(folder)
    (folder / WEIGHTS_FILE).write_bytes(b"others")
    other = card.model_copy(update={"name": "Toy", "sha256": hashlib.sha256(b"others").hexdigest()})
    other.write(folder)
    assert library.install(library.resolve_model(folder)).card.name == "Toy-2"
    # A folder that was named otherwise than its model is not written over.
    (tmp_path / "own" / "Toy-2").rename(tmp_path / "own" / "Pool")
    other.model_copy(update={"name": "pool"}).write(folder)
    assert library.install(library.resolve_model(folder)).folder == tmp_path / "own" / "pool-2"
    assert library.resolve_model("Toy-2").folder == tmp_path / "own" / "Pool"


def test_an_unknown_name_lists_the_known_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(folder.parent))
    with pytest.raises(ModelError, match=r"Did you mean toy\?.*toy"):
        library.resolve_model("toyy")


def test_damaged_models_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(b"tricks")
    with pytest.raises(ModelError, match="damaged or were changed"):
        library.resolve_model(folder).verify()
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="no readable weights"):
        library.resolve_model(folder).verify()
    broken = tmp_path / "broken.diatom-model"
    broken.write_text("no archive")
    with pytest.raises(ModelError, match=r"broken\.diatom-model cannot be used as a model"):
        library.resolve_model(broken)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(ModelError, match=r"is not a model: model\.yaml is missing"):
        library.resolve_model(folder)


def test_a_damaged_archive_is_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.diatom-model"
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / CARD_FILE, CARD_FILE)
        archive.writestr(WEIGHTS_FILE, b"weights" * 100)
    data = bytearray(broken.read_bytes())
    data[data.index(WEIGHTS_FILE.encode()) + len(WEIGHTS_FILE)] ^= 255
    broken.write_bytes(data)
    with pytest.raises(ModelError, match=r"broken\.diatom-model cannot be used as a model"):
        library.resolve_model(broken)


def test_a_name_goes_before_a_folder_that_is_called_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(folder.parent))
    (tmp_path / "work" / "toy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    assert library.resolve_model("toy").folder == folder


def test_a_name_whose_card_is_damaged_says_how(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(folder.parent))
    text = (folder / CARD_FILE).read_text().replace("diatom: 0.4", "diatom: 7.5")
    (folder / CARD_FILE).write_text(text)
    with pytest.raises(ModelError, match=r"thresholds\.diatom"):
        library.resolve_model("toy")


def test_two_may_unpack_at_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "both.diatom-model"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(folder / CARD_FILE, CARD_FILE)
        archive.write(folder / WEIGHTS_FILE, WEIGHTS_FILE)
    monkeypatch.setattr(library, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    real = Path.replace

    def late(partial: Path, home: Path) -> Path:
        """Move a folder to where another process has just put its own."""
        shutil.copytree(partial, home)
        return real(partial, home)

    monkeypatch.setattr(Path, "replace", late)
    library.resolve_model(packed).verify()
    assert len(list((tmp_path / "cache" / "unpacked").iterdir())) == 1
