"""Annotations of other programs come into a project all at once or not at all, with a dry look before."""

from __future__ import annotations

import itertools
import json

import pytest

from helpers.projects import blob, box, names, new_project, picture, polygon
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.formats.registry import by_name
from napari_diatom.project import annotation_import, annotation_reading, staged_edits
from napari_diatom.project import new_project as starting
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations


@pytest.fixture
def coco(tmp_path):
    """A file of another program with specimens of three images, one of which the project lacks."""
    path = tmp_path / "theirs.json"
    parts = [to_annotations([box(1), box(2, "Eunotia")], f"s0f{number}.png", 60, 80) for number in range(3)]
    by_name("coco").write(path, parts)
    return path


def test_a_dry_look_says_what_would_come_and_changes_nothing(tmp_path, coco):
    with new_project(tmp_path) as project:
        project.classes.rename("Navicula", "Gomphonema")
        report = annotation_import.import_files(project, [coco], dry_run=True)
        text = "\n".join(report.lines())
        assert (report.new, report.absent, report.new_classes) == (4, ("s0f2.png",), ("Eunotia",))
        assert "Navicula is called Gomphonema in this project" in text
        assert "The project does not have 1 image of these files: s0f2.png" in text
        assert not names(project, "s0f0")
        with pytest.raises(InputError, match=r"Nothing was imported.*s0f2\.png"):
            annotation_import.import_files(project, [coco])
        report = annotation_import.import_files(project, [coco], skip_absent=True)
        assert report.is_done
        assert sorted(names(project, "s0f1").values()) == ["Eunotia", "Gomphonema"]
        assert [item.name for item in project.settings.classes] == ["Gomphonema", "Nitzschia", "Eunotia"]
    assert not (project.folder / HIDDEN / "imports").exists() or not any(
        (project.folder / HIDDEN / "imports").iterdir()
    )


@pytest.fixture
def readings(monkeypatch):
    """The files that were read, in their order."""
    read, seen = annotation_reading._read, []

    def noting(form, path, *more):
        seen.append(path.name)
        return read(form, path, *more)

    monkeypatch.setattr(annotation_reading, "_read", noting)
    return seen


def test_what_was_looked_at_is_not_read_again_unless_a_file_has_changed(tmp_path, coco, readings):
    kept = tmp_path / "kept.pickle"
    folder = tmp_path / "more"
    by_name("geojson").write(folder, [to_annotations([box(3), polygon()], "s0f0.png", 60, 80)])
    with new_project(tmp_path) as project:
        look = annotation_import.import_files(project, [coco, folder], dry_run=True, kept=kept)
        assert readings == ["theirs.json", "more"]
        annotation_import.import_files(project, [coco, folder], dry_run=True, kept=kept, skip_absent=True)
        assert readings == ["theirs.json", "more"]
        by_name("geojson").write(tmp_path / "other", [to_annotations([box(4)], "s0f1.png", 60, 80)])
        (tmp_path / "other" / "s0f1.geojson").rename(folder / "s0f1.geojson")
        report = annotation_import.import_files(project, [coco, folder], kept=kept, skip_absent=True)
        assert readings == ["theirs.json", "more"] * 2
        assert (look.new, report.new) == (6, 7)
        assert sorted(names(project, "s0f0").values()) == ["Eunotia", "Navicula", "Navicula", "Nitzschia"]


def test_what_is_kept_gives_the_same_as_the_files(tmp_path, coco, readings):
    kept = tmp_path / "kept.pickle"
    parts = [to_annotations([polygon(3), blob(2), box(1)], "s0f0.png", 60, 80)]
    by_name("coco").write(coco, parts)
    shapes = []
    for folder, place in (("one", kept), ("two", None), ("three", kept)):
        with new_project(tmp_path / folder) as project:
            annotation_import.import_files(project, [coco], dry_run=True, kept=place)
            annotation_import.import_files(project, [coco], kept=place)
            shapes.append(to_annotations(list(project.contents("s0f0").specimens), "", 60, 80))
        # As a killed program may leave it.
        kept.write_bytes(kept.read_bytes()[:-9])
    assert readings == ["theirs.json"] * 4
    one, two, _ = shapes
    assert (one.detections.boxes == two.detections.boxes).all()
    assert one.shapes == two.shapes == ("polygon", "polygon", "rectangle")
    masks = zip(one.detections.masks, two.detections.masks, strict=True)
    assert all((mask.pixels == other.pixels).all() for mask, other in masks)


@pytest.mark.parametrize("looks", [0, 2, 4])
def test_an_import_that_is_stopped_leaves_everything_as_it_was(tmp_path, coco, looks):
    with new_project(tmp_path) as project:
        before = project.settings
        asked = itertools.count()
        monitor = ProgressMonitor(should_stop=lambda: next(asked) > looks)
        with pytest.raises(Stopped):
            annotation_import.import_files(project, [coco], monitor=monitor, skip_absent=True)
        assert not names(project, "s0f0")
        assert project.settings == before
    with Project.open(project.folder) as again:
        assert not names(again, "s0f1")


def test_an_import_killed_before_it_counts_is_nothing_and_after_that_it_is_whole(tmp_path, coco, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    project = new_project(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(staged_edits.StagedEdits, "commit", die)
        patch.setattr(staged_edits.StagedEdits, "discard", lambda _: None)
        with pytest.raises(Killed):
            annotation_import.import_files(project, [coco], skip_absent=True)
    project.documents.forget()
    project.session.let_go()
    project = Project.open(project.folder)
    assert not names(project, "s0f0")
    assert not any((project.folder / HIDDEN / "imports").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(staged_edits, "release_committed", die)
        patch.setattr(staged_edits.StagedEdits, "discard", lambda _: None)
        with pytest.raises(Killed):
            annotation_import.import_files(project, [coco], skip_absent=True)
    project.documents.forget()
    project.session.let_go()
    with Project.open(project.folder) as again:
        assert [item.total for item in again.summary()] == [2, 2]
        assert sorted(names(again, "s0f1").values()) == ["Eunotia", "Navicula"]


def test_a_new_project_is_looked_at_before_and_has_everything_after(tmp_path):
    for slide, number in itertools.product(range(2), range(2)):
        picture(tmp_path / "data" / f"s{slide}" / f"s{slide}f{number}.png", 10 * slide + number)
    (tmp_path / "data" / "notes.json").write_text(json.dumps({"other": 1}))
    (tmp_path / "data" / "s1" / "damaged.png").write_bytes(b"no image")
    by_name("geojson").write(tmp_path / "data" / "s0" / "s0f0.geojson", [to_annotations([box(1)], "s0f0.png", 60, 80)])
    found = starting.look([str(tmp_path / "data")])
    text = "\n".join(found.lines())
    assert found.images == 4
    assert [(slide.name, slide.images, slide.unknown) for slide in found.slides] == [("s0", 2, 2), ("s1", 2, 2)]
    assert [item.path.name for item in found.annotations] == ["s0f0.geojson"]
    assert "damaged.png" in text
    place = starting.place_beside([str(tmp_path / "data")])
    assert place == tmp_path / "data" / starting.FOLDER_NAME


@pytest.mark.parametrize("name", ["annotations", "proposals"])
def test_a_project_is_not_made_over_annotations_of_others(tmp_path, name):
    shown = picture(tmp_path / "data" / "s0.png", 1)
    theirs = tmp_path / "data" / name / "s0.png.geojson"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    with pytest.raises(InputError, match="not of a project"):
        starting.make(tmp_path / "data", [str(shown)])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted([name, "s0.png"])
    assert theirs.read_text() == "theirs"
    # Other files there are not in the way.
    theirs.rename(theirs.with_suffix(".json"))
    starting.make(tmp_path / "data", [str(shown)])
    assert (theirs.parent / "s0.png.json").read_text() == "theirs"
