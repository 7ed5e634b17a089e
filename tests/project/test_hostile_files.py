"""Files of a project that hold anything at all: told in words or passed over, and nobody else is harmed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.projects import box, names, new_project, polygon
from napari_diatom.cli import main
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE

DEEP = b"[" * 100_000
HUGE = b"9" * 5000


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that a program was killed in: files, a journal, what was counted, and a dead window."""
    folder = tmp_path_factory.mktemp("good")
    with new_project(folder) as project:
        project.document("s0f0").add([box(1, id="one"), polygon()])
        project.document("s0f0").propose([box(2)], "model 1")
        project.document("s0f1").add([box(3, id="neighbour")])
    with Project.open(folder / "project") as project:
        project.summary()
    project = Project.open(folder / "project")
    project.document("s0f0").set_class(["one"], "Nitzschia")
    project.documents.forget()
    project.session.let_go()
    return folder


def broken(good: Path, folder: Path, place: str) -> tuple[Path, Path]:
    """Return a copy of the project, and one of its files."""
    shutil.copytree(good, folder / "copy")
    project = folder / "copy" / "project"
    (found,) = project.glob(place)
    return project, found


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return change


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: b"\0" * 4096,
    "utf16": lambda data: data.decode().encode("utf-16"),
    "latin": lambda data: b"\xe9\xe8" + data,
    "deep": lambda data: DEEP,
    "number": lambda data: HUGE,
    "list": lambda data: b"[[], {}, null, 1e999]",
    "twice": lambda data: b'{"type": 1, "type": 2}',
}
PLACES = {
    "settings": PROJECT_FILE,
    "annotations": "annotations/s0f0.geojson",
    "proposals": "proposals/s0f0.geojson",
    "journal": f"{HIDDEN}/journals/s0f0.*.jsonl",
    "session": f"{HIDDEN}/sessions/*.json",
    "tallies": f"{HIDDEN}/summary.json",
}


def commands(project: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run all that reads a project; return what was said."""
    began = time.monotonic()
    for command in (["stats"], ["check"], ["split", "--shares", "50-50"]):
        code = main(["project", command[0], str(project), *command[1:]])
        assert code in (0, 1, 2)
    out = capsys.readouterr()
    assert "Traceback" not in out.out + out.err
    assert time.monotonic() - began < 5
    return out.out + out.err


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("place", PLACES)
def test_any_file_of_a_project_may_hold_anything(good, tmp_path, capsys, place, damage):
    project, path = broken(good, tmp_path, PLACES[place])
    data = DAMAGES[damage](path.read_bytes())
    path.write_bytes(data)
    neighbour = (project / "annotations" / "s0f1.geojson").read_bytes()
    said = commands(project, capsys)
    assert (project / "annotations" / "s0f1.geojson").read_bytes() == neighbour
    if place == "settings":
        assert PROJECT_FILE in said
        assert path.read_bytes() == data
        return
    if place in ("annotations", "proposals"):
        # Told with its name, and as it was for who wants to repair it.
        assert "s0f0.geojson" in said
        assert path.read_bytes() == data
    with Project.open(project) as again:
        assert "neighbour" in names(again, "s0f1")
        if place in ("session", "tallies"):
            assert set(names(again, "s0f0")) >= {"one"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(good, tmp_path, capsys, place, kind):
    project, path = broken(good, tmp_path, PLACES[place])
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    said = commands(project, capsys)
    if place in ("settings", "annotations", "proposals", "journal"):
        assert path.name in said
    if place != "settings":
        with Project.open(project) as again:
            assert "neighbour" in names(again, "s0f1")


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("settings", b"target: 400", b"target: 2020-99-99"),
        ("settings", b"target: 400", b"target: " + HUGE),
        ("settings", b"target: 400", b"target: 1e400"),
        ("settings", b"target: 400", b"target: 400\n  target: 1"),
        ("settings", b"width: 80", b"width: 9" + b"9" * 300),
        ("settings", b"path: ../images/s0/s0f0.png\n", b'path: "a\\0b"\n'),
        ("settings", b"name: Navicula", b"name: &a [*a]"),
        ("annotations", b'"score": 1.0', b'"score": 1e999'),
        ("annotations", b'"score": 1.0', b'"score": ' + HUGE),
        ("annotations", b'"cut": 0', b'"cut": {}'),
        ("annotations", b'"box": [', b'"box": [1e308, 1e308, 1e308, 1e308, 0], "x": ['),
        ("journal", b'"box": [', b'"box": [1e308, 1e308, 1e308, 1e308, 0], "x": ['),
        ("annotations", b'"status": "valve"', b'"status": [[]]'),
        ("journal", b'"state": ["work", "work"]', b'"state": [{}, []]'),
        ("journal", b'"n": 1', b'"n": "x"'),
        ("journal", b'"n": 1', b'"n": 1, "n": 1'),
        ("journal", b'"annotator": "', b'"annotator": {}, "begun": [], "x": "'),
        ("session", b'"pid": ', b'"pid": "x", "beats": '),
        ("session", b'"host": "', b'"host": {}, "x": "'),
        ("tallies", b'"s0f0": [', b'"s0f0": [1e999, '),
        ("tallies", b", 1]", b", 1e999]"),
        ("tallies", b", 1]", b", -1]"),
    ],
)
def test_any_entry_of_a_projects_files_may_be_anything(good, tmp_path, capsys, place, old, new):
    project, path = broken(good, tmp_path, PLACES[place])
    path.write_bytes(replaced(old, new)(path.read_bytes()))
    said = commands(project, capsys)
    if place == "settings":
        assert PROJECT_FILE in said
    else:
        with Project.open(project) as again:
            assert "neighbour" in names(again, "s0f1")
            assert [tally.total for tally in again.summary()][1] == 1


def test_a_damaged_journal_is_told_once_and_kept(good, tmp_path, capsys):
    project, path = broken(good, tmp_path, PLACES["journal"])
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], *[DEEP] * 30, *lines[1:]]))
    said = commands(project, capsys)
    assert "lines 2, 3, 4" in said
    assert "32" not in said.split("are damaged")[0].rpartition("lines")[2]
    assert len(list(path.parent.glob("*.damaged"))) == 1
    with Project.open(project) as again:
        assert names(again, "s0f0")["one"] == "Nitzschia"


def test_one_damaged_line_of_a_journal_is_told_as_one(good, tmp_path, capsys):
    project, path = broken(good, tmp_path, PLACES["journal"])
    first, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, DEEP, *rest]))
    said = commands(project, capsys)
    assert "line 2 is damaged." in said
    assert ", 1 error, 0 warnings" in said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0\0\0\0",
        b'name\n"Navi\ncula',
        b"name;code\n" + b"x" * 200_000,
        b"name\n" + b"x" * 5000,
        b"name;code\nNavicula;A\nEunotia;A\n",
        "name\nNavicula".encode("utf-16"),
        b"a;b\nc;d\n",
    ],
)
def test_a_list_of_taxa_may_hold_anything(good, tmp_path, capsys, text):
    taxa = tmp_path / "taxa.csv"
    taxa.write_bytes(text)
    command = ["project", "new", str(tmp_path / "new"), str(good / "images"), "--classes", str(taxa)]
    assert main(command) == 2
    assert "taxa.csv" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_class_of_imported_annotations_that_cannot_be_one_is_told(good, tmp_path, capsys):
    made = json.loads((good / "project" / "annotations" / "s0f1.geojson").read_bytes())
    made["features"][0]["properties"]["classification"]["name"] = "x" * 5000
    (tmp_path / "far.geojson").write_text(json.dumps(made))
    command = ["project", "new", str(tmp_path / "new"), str(good / "images")]
    assert main([*command, "--annotations", str(tmp_path / "far.geojson")]) == 2
    assert "The class 'xxxx" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
