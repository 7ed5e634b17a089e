"""``napari-diatom project classes``, ``set`` and ``import``."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.projects import box, names, new_project
from napari_diatom.cli import main
from napari_diatom.formats.registry import by_name
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of two annotated images."""
    with new_project(tmp_path) as made:
        made.document("s0f0").add([box(1, id="one")])
        made.document("s0f1").add([box(2, "Nitzschia", id="two")])
    return made.folder


def test_classes_are_changed_one_call_after_the_other(project, tmp_path, capsys):
    command = ["project", "classes", str(project)]
    for change in (
        ["--add", "Eunotia", "--code", "EUNO", "--colour", "#00FF00"],
        ["--change", "Eunotia", "--key", "1"],
        ["--rename", "Navicula", "Gomphonema parvulum"],
        ["--move", "Eunotia", "--place", "1"],
        ["--merge", "Nitzschia", "--into", "Eunotia"],
    ):
        assert main([*command, *change]) == 0
    out = capsys.readouterr().out
    assert "Navicula is now Gomphonema parvulum: 1 specimen in 1 image" in out
    assert "Nitzschia is now Eunotia: 1 specimen in 1 image" in out
    with Project.open(project) as again:
        listed = [(item.name, item.code, item.colour, item.key) for item in again.settings.classes]
        assert listed == [("Eunotia", "EUNO", "#00ff00", "1"), ("Gomphonema parvulum", "", "#e69f00", "3")]
        assert names(again, "s0f1") == {"two": "Eunotia"}
    assert main([*command, "--export", str(tmp_path / "list.csv")]) == 0
    assert main([*command, "--remove", "Eunotia"]) == 2
    assert "1 specimen in 1 image" in capsys.readouterr().err
    assert main([*command, "--remove", "Eunotia", "--delete-specimens"]) == 0
    assert "1 specimen deleted" in capsys.readouterr().out
    assert main([*command, "--import", str(tmp_path / "list.csv")]) == 0
    assert main(["project", "check", str(project)]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--merge", "Navicula"], "--merge needs --into"),
        (["--code", "X"], "--code belongs to --add or --change"),
        (["--delete-specimens"], "--delete-specimens belongs to --remove"),
        (["--change", "Navicula"], "--change needs --code or --colour or --key"),
        (["--add", "Eunotia", "--colour", "red"], "must be '#' and six digits"),
        (["--rename", "Navicula", "Nitzschia"], "merge 'Navicula' into it"),
        (["--merge", "Navicula", "--into", "Navicula"], "cannot be merged into itself"),
        (["--move", "Lost", "--place", "1"], "no class 'Lost'"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(project, capsys, change, said):
    before = (project / "diatom-project.yaml").read_bytes()
    assert main(["project", "classes", str(project), *change]) == 2
    assert said in capsys.readouterr().err
    assert (project / "diatom-project.yaml").read_bytes() == before


def test_facts_of_images_are_set(project, capsys):
    assert main(["project", "set", str(project)]) == 2
    assert "Nothing to set" in capsys.readouterr().err
    assert main(["project", "set", str(project), "--pixel-size", "0.1", "--sample", "river"]) == 0
    assert main(["project", "set", str(project), "s0f1", "--slide", "second"]) == 0
    with Project.open(project) as again:
        assert [(image.slide, image.sample) for image in again.images] == [("s0", "river"), ("second", "river")]
        assert again.settings.pixel_sizes_um == {"s0": 0.1, "second": 0.1}


def test_annotations_are_looked_at_and_imported(project, tmp_path, capsys):
    path = tmp_path / "theirs.json"
    by_name("coco").write(path, [to_annotations([box(5, "Eunotia")], f"s0f{number}.png", 60, 80) for number in (0, 7)])
    command = ["project", "import", str(project), str(path)]
    assert main([*command, "--dry-run"]) == 1
    assert "The project does not have 1 image of these files: s0f7.png" in capsys.readouterr().out
    assert main(command) == 2
    assert main([*command, "--skip-unknown", "--dry-run"]) == 0
    assert main([*command, "--skip-unknown"]) == 0
    assert "1 specimen imported, in 1 image" in capsys.readouterr().out
    with Project.open(project) as again:
        assert sorted(names(again, "s0f0").values()) == ["Eunotia", "Navicula"]
