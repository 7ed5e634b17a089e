"""A full disk, at every write of a project: nothing half-written, no good version given for a bad one, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpers.projects import blob, box, names, new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import OutputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import backups, clock
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE, Settings

resource = pytest.importorskip("resource")


@contextmanager
def room(limit: int) -> Iterator[None]:
    """Let the system refuse to write beyond so many bytes of any file, whoever writes it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files of a project but those of open windows."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith(f"{HIDDEN}{os.sep}")}


def saved(project: Project, number: int) -> Project:
    """Add a specimen and write the files."""
    project.document("s0f0").add([box(number, id=f"n{number}")])
    project.flush()
    return project


def counts(project: Project, image_id: str = "s0f0") -> list[int]:
    """Return how many specimens each version has, oldest first."""
    path = project.folder / "annotations" / f"{image_id}.geojson"
    return [len(geojson.read(version)) for version in backups.earlier_versions(project.folder, path)]


@pytest.mark.parametrize("limit", [0, 1, 700, 2000])
def test_a_full_disk_leaves_earlier_versions_as_they_are(tmp_path, limit):
    project = new_project(tmp_path)
    for number in range(13):
        saved(project, number)
    before = everything(project.folder)
    assert counts(project) == list(range(3, 13))
    with room(limit):
        for number in range(13, 27):
            with pytest.raises(OutputError):
                saved(project, number)
    assert everything(project.folder) == before
    project.flush()
    assert counts(project) == list(range(4, 14))
    assert len(names(project, "s0f0")) == 27
    project.close()


def test_a_full_disk_makes_no_folder_of_versions(tmp_path):
    project = saved(new_project(tmp_path), 1)
    shutil.rmtree(project.folder / backups.HISTORY)
    before = everything(project.folder)
    with room(0), pytest.raises(OutputError, match="Edits stay in memory"):
        project.document("s0f0").set_done(True)
    with room(0), pytest.raises(OutputError, match="the old one cannot be kept"):
        project.flush()
    assert not list((project.folder / backups.HISTORY).rglob("*.geojson*"))
    assert everything(project.folder) == before
    assert not (project.folder / backups.HISTORY / "annotations" / "s0f0").exists()
    project.close()


def test_settings_are_kept_by_a_full_disk(tmp_path, capsys):
    project = new_project(tmp_path)
    project.close()
    before = everything(project.folder)
    for _ in range(12):
        with room(100):
            assert main(["project", "split", str(project.folder)]) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "Traceback" not in said
    assert everything(project.folder) == before


@pytest.mark.parametrize("limit", [0, 300, 3000])
def test_a_new_project_on_a_full_disk_leaves_nothing(tmp_path, capsys, limit):
    with new_project(tmp_path) as project:
        images = [str(project.path(image.id)) for image in project.images]
        project.document("s0f0").add([box(number) for number in range(20)])
    annotations = project.folder / "annotations" / "s0f0.geojson"
    with room(limit):
        code = main(["project", "new", str(tmp_path / "second"), *images, "--annotations", str(annotations)])
    assert code == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()
    assert main(["project", "new", str(tmp_path / "second"), *images, "--annotations", str(annotations)]) == 0


def versions_by_an_earlier_release(project: Project, *texts: str) -> list[Path]:
    """Write versions as they were called before."""
    folder = backups.folder_of(project.folder, project.folder / "annotations" / "s0f0.geojson")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, text in enumerate(texts):
        made.append(folder / f"20990101T0000{number:02d}.000000000Z.geojson")
        made[-1].write_text(text)
    return made


def test_versions_by_an_earlier_release_are_the_older_ones(tmp_path):
    project = saved(new_project(tmp_path), 1)
    text = (project.folder / "annotations" / "s0f0.geojson").read_text()
    old = versions_by_an_earlier_release(project, *[text] * 9)
    for number in range(2, 5):
        saved(project, number)
    kept = backups.earlier_versions(project.folder, project.folder / "annotations" / "s0f0.geojson")
    assert kept[:8] == old[1:]
    assert counts(project)[-2:] == [2, 3]
    project.close()


def test_empty_versions_are_not_kept_in_place_of_good_ones(tmp_path):
    project = saved(new_project(tmp_path), 1)
    text = (project.folder / "annotations" / "s0f0.geojson").read_text()
    good, *bad = versions_by_an_earlier_release(project, text, *["", text[: len(text) // 2], "\0" * 700] * 7)
    for number in range(2, 11):
        saved(project, number)
    assert good.exists()
    saved(project, 11)
    assert not any(path.exists() for path in bad)
    assert counts(project) == list(range(1, 11))
    project.close()


@pytest.mark.parametrize("hours", [-1000.0, 1000.0])
def test_a_clock_that_was_put_back_or_forward_keeps_the_order_of_versions(tmp_path, monkeypatch, hours):
    project = new_project(tmp_path)
    for number in range(13):
        if number == 8:
            monkeypatch.setattr(
                clock, "now", lambda timespec="seconds": (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
            )
        saved(project, number)
    assert counts(project) == list(range(3, 13))
    project.close()


def test_what_is_as_the_last_version_is_no_further_one(tmp_path):
    project = saved(saved(new_project(tmp_path), 1), 2)
    assert counts(project) == [1]
    path = project.folder / "annotations" / "s0f0.geojson"
    backups.rewrite(project.folder, path, path.read_text())
    backups.rewrite(project.folder, path, path.read_text())
    assert counts(project) == [1, 2]
    # A file of somebody else's among them is neither a version nor in the way.
    folder = backups.folder_of(project.folder, path)
    (folder / "mine.geojson").write_text("{}")
    for number in range(3, 16):
        saved(project, number)
    assert (folder / "mine.geojson").exists()
    assert len(counts(project)) == 10
    project.close()


def test_a_second_file_without_room_does_not_write_the_first_again(tmp_path):
    project = saved(new_project(tmp_path), 1)
    doc = project.document("s0f0")
    doc.propose([box(number, id=f"p{number}") for number in range(60)], "model 1")
    doc.add([box(2, id="n2")])
    for _ in range(3):
        with room(9000), pytest.raises(OutputError):
            project.flush()
    assert counts(project) == [1]
    project.close()
    with Project.open(project.folder) as again:
        assert (len(again.document("s0f0").specimens), len(again.document("s0f0").proposals)) == (2, 60)


def scenario(folder: Path, done: dict[str, set[str]]) -> list[Callable[[], object]]:
    """Return what a window does, one thing after the other; each notes what it has finished, by ids and classes."""
    project = Project.open(folder, "Ada")
    doc = project.document("s0f0")

    def add(name: str) -> None:
        new = box(len(name), id=name)
        try:
            doc.add([new])
        finally:
            # It is in the document, whether it is on disk or not.
            assert name in doc.specimens
        assert doc.is_stored
        done[name] = {new.name}

    def rename(name: str) -> None:
        done["a"] = done.get("a", set()) | {name}
        doc.set_class(["a"], name)
        done["a"] = {name}

    return [
        lambda: add("a"),
        lambda: add("bb"),
        project.flush,
        lambda: rename("Nitzschia"),
        lambda: doc.propose([box(5), blob()], "model 1"),
        project.flush,
        lambda: project.update(project.settings.with_classes(["Eunotia"])),
        lambda: add("ccc"),
        lambda: project.release("s0f0"),
        project.close,
    ]


@pytest.mark.parametrize("lasting", [False, True])
def test_no_room_at_any_write_loses_nothing_and_is_told(tmp_path, monkeypatch, lasting):
    """The disk is full at the first write, at the second one, and so on, for that write or from there on."""
    sync = os.fsync
    new_project(tmp_path).close()
    shutil.copytree(tmp_path / "project", tmp_path / "fresh")
    writes = 0
    while True:
        folder = tmp_path / "project"
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "fresh", folder)
        calls, done, failed = 0, {}, []

        def full(descriptor: int, number: int = writes) -> None:
            nonlocal calls
            calls += 1
            if calls - 1 == number or (lasting and calls > number):
                raise OSError(28, "No space left on device")
            sync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            try:
                for step in scenario(folder, done):
                    try:
                        step()
                    except OutputError as error:
                        failed.append(str(error))
            finally:
                sync_calls = calls
        assert all("No space left on device" in text for text in failed)
        assert not list(folder.rglob("*.part"))
        for path in folder.rglob("*.geojson"):
            json.loads(path.read_bytes())
        Settings.of_text((folder / PROJECT_FILE).read_bytes(), "settings")
        with Project.open(folder) as again:
            found = names(again, "s0f0")
            assert all(found[id_] in classes for id_, classes in done.items())
        if writes >= sync_calls:
            break
        writes += 4 if lasting else 1
    assert writes > 10
    assert not failed
