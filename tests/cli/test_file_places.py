"""A file where a folder is wanted, a folder where a file is, and what is neither: refused in words, and left alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from helpers.counting import count, save
from napari_diatom import cli


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start in a folder with a slide, its annotations, a file and a folder."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "slide.png")
    assert count("slide.png", "-o", "counted") == 0
    Path("file").write_text("mine")
    Path("folder").mkdir()
    return tmp_path / "counted" / "annotations" / "slide.geojson"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["count", "slide.png", "-o", "file"], "file is not a folder: name a folder for the results."),
        (["count", "slide.png", "-o", "file/out"], "file/out cannot be written to: file is not a folder."),
        (["convert", "NOTES", "file/a.json", "--to", "coco"], "file/a.json cannot be written: file is not a folder."),
        (["convert", "NOTES", "file", "--to", "yolo-obb"], "file is not a folder: name a new folder."),
        (["convert", "NOTES", "file/new", "--to", "yolo-obb"], "file/new cannot be written: file is not a folder."),
        (["convert", "NOTES", "folder", "--to", "coco"], "folder cannot be written: a folder has this name."),
        (["samples", "file"], "file is not a folder: name a folder for the example slides."),
        (["models", "import", "folder"], "folder is not a model: model.yaml is missing."),
    ],
)
def test_files_and_folders_in_each_others_place_are_told_apart(places, capsys, arguments, words):
    capsys.readouterr()
    assert cli.main([str(places) if part == "NOTES" else part for part in arguments]) == 2
    assert capsys.readouterr().err.replace("\\", "/").endswith(f"napari-diatom: {words}\n")
    assert Path("file").read_text() == "mine"
    assert not list(Path("folder").iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", ["pipe", "link", "folder/specimens.csv"])
def test_a_file_takes_the_place_of_no_pipe(places, capsys, name):
    os.mkfifo("folder/specimens.csv")
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    if name.startswith("folder"):
        assert count("slide.png", "-o", "folder", "--resume") == 2
    else:
        assert cli.main(["convert", str(places), name, "--to", "coco"]) == 2
    assert f"{name} cannot be written: it is not a regular file" in capsys.readouterr().err
    assert stat.S_ISFIFO(Path(name).stat().st_mode)
    assert Path("link").is_symlink()
