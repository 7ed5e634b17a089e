"""``napari-diatom project relocate`` and ``remove``."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers.projects import box, crashed, names, new_project, picture
from napari_diatom.cli import main
from napari_diatom.project import backups
from napari_diatom.project.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of two annotated images."""
    with new_project(tmp_path) as made:
        made.document("s0f0").add([box(1, id="one")])
        made.document("s0f1").add([box(2, id="two")])
    return made.folder


def test_images_that_were_moved_and_renamed_are_found(project, capsys):
    moved = project.parent / "archive" / "deep" / "other name.png"
    moved.parent.mkdir(parents=True)
    (project.parent / "images" / "s0" / "s0f0.png").rename(moved)
    assert main(["project", "check", str(project)]) == 1
    assert main(["project", "relocate", str(project), str(project.parent / "archive")]) == 0
    out = capsys.readouterr().out
    assert str(moved) in out
    assert "1 image found" in out
    assert main(["project", "check", str(project)]) == 0
    with Project.open(project) as again:
        assert again.path("s0f0") == moved
        assert set(names(again, "s0f0")) == {"one"}


def test_moved_images_are_looked_for_around_the_project_where_no_folder_is_named(project, capsys):
    (project.parent / "images").rename(project.parent / "pictures")
    assert main(["project", "relocate", str(project)]) == 0
    assert "2 images found" in capsys.readouterr().out
    assert main(["project", "check", str(project)]) == 0


def test_images_that_are_nowhere_are_named_and_stay_in_the_project(project, tmp_path, capsys):
    (project.parent / "images" / "s0" / "s0f1.png").unlink()
    (tmp_path / "empty").mkdir()
    assert main(["project", "relocate", str(project), str(tmp_path / "empty")]) == 3
    assert "s0f1 was not found" in capsys.readouterr().err
    assert main(["project", "relocate", str(project), str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
    with Project.open(project) as again:
        assert len(again.images) == 2


def test_changed_images_are_accepted_only_when_asked_for_and_of_the_same_size(project, capsys):
    place = project.parent / "images" / "s0" / "s0f0.png"
    picture(place, 77)
    assert main(["project", "relocate", str(project)]) == 3
    assert "--accept-changed" in capsys.readouterr().err
    assert main(["project", "relocate", str(project), "--accept-changed"]) == 0
    assert "s0f0: its annotations now belong to the changed file" in capsys.readouterr().out
    assert main(["project", "check", str(project)]) == 0
    picture(place, 77, height=61)
    assert main(["project", "relocate", str(project), "--accept-changed"]) == 3
    assert "80 x 60 px" in capsys.readouterr().err


def test_removed_images_keep_their_files_and_their_annotations_in_the_history(project, capsys):
    assert main(["project", "remove", str(project), "s0f1", "s0f1"]) == 0
    assert "1 image left" in capsys.readouterr().out
    assert (project.parent / "images" / "s0" / "s0f1.png").exists()
    (kept,) = backups.earlier_versions(project, project / "annotations" / "s0f1.geojson")
    assert '"two"' in kept.read_text()
    with Project.open(project) as again:
        assert [image.id for image in again.images] == ["s0f0"]
        assert set(names(again, "s0f0")) == {"one"}


def test_edits_that_a_killed_window_left_are_in_the_history_of_a_removed_image(project):
    killed = Project.open(project)
    killed.document("s0f1").add([box(3, id="late")])
    crashed(killed)
    assert main(["project", "remove", str(project), "s0f1"]) == 0
    kept = backups.earlier_versions(project, project / "annotations" / "s0f1.geojson")
    assert '"late"' in kept[-1].read_text()
    with Project.open(project) as again:
        assert again.journals.leftovers() == []


def test_an_image_with_damaged_annotations_can_be_removed(project):
    file = project / "annotations" / "s0f1.geojson"
    file.write_text("{")
    assert main(["project", "remove", str(project), "s0f1"]) == 0
    assert backups.earlier_versions(project, file)[-1].read_text() == "{"


def test_nothing_is_removed_where_one_of_the_images_is_unknown(project, capsys):
    assert main(["project", "remove", str(project), "s0f0", "s9f9"]) == 2
    assert "no image 's9f9'" in capsys.readouterr().err
    with Project.open(project) as again:
        assert len(again.images) == 2


def test_nothing_is_removed_while_another_window_has_edits_of_the_image(project, capsys):
    with Project.open(project) as other:
        other.document("s0f1").set_class(["two"], "Nitzschia")
        assert main(["project", "remove", str(project), "s0f0", "s0f1"]) == 2
        assert "Close that window first" in capsys.readouterr().err
        other.flush()
        assert main(["project", "remove", str(project), "s0f0"]) == 0
    with Project.open(project) as again:
        assert names(again, "s0f1") == {"two": "Nitzschia"}


def test_a_split_of_one_slide_says_how_images_get_others(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (40 + ord(name[0]), 40)).save(tmp_path / "images" / name)
    assert main(["project", "new", str(tmp_path / "p"), str(tmp_path / "images")]) == 0
    assert main(["project", "split", str(tmp_path / "p")]) == 0
    assert "correct the entries `slide` in diatom-project.yaml" in capsys.readouterr().out
    file = tmp_path / "p" / "diatom-project.yaml"
    file.write_text(file.read_text("utf-8").replace("slide: images", "slide: second", 1), "utf-8")
    assert main(["project", "split", str(tmp_path / "p"), "--shares", "50-50"]) == 0
    assert "All images are of one slide" not in capsys.readouterr().out
