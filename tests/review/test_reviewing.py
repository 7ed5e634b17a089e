"""A folder of ``count`` under review, by the command line: the same tables before and after."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path

import pytest

from helpers import TESTS
from helpers.counting import count, rows, save
from napari_diatom.cli import main
from napari_diatom.project.project import Project


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """Return the results of three fields of two samples."""
    for number, name in enumerate(("april/a.png", "april/b.png", "june/a.png")):
        save(tmp_path / "season" / name, number + 1, seed=number)
    out = tmp_path / "out"
    assert count(tmp_path / "season", "-o", out, "--pixel-size", "0.2") == 0
    return out


def test_the_tables_of_an_untouched_review_are_those_of_count(counted, tmp_path, capsys):
    assert main(["project", "review", str(counted)]) == 0
    assert "6 proposals of 3 images. 3 images added" in capsys.readouterr().out
    project = counted / "review"
    assert main(["project", "tables", str(project), "-o", str(tmp_path / "after"), "--proposals"]) == 0
    for name in ("specimens.csv", "counts.csv"):
        assert (tmp_path / "after" / name).read_bytes() == (counted / name).read_bytes()
    assert [row["sample"] for row in rows(tmp_path / "after" / "images.csv")] == ["april", "april", "june"]


def test_rejected_specimens_leave_the_tables_and_do_not_come_back(counted, tmp_path, capsys):
    assert main(["project", "review", str(counted)]) == 0
    with Project.open(counted / "review") as project:
        document = project.document(project.images[1].id)
        wrong, *right = document.proposals
        document.reject([wrong])
        document.accept(right)
    assert main(["project", "review", str(counted)]) == 0
    assert "1 image on which people have worked is unchanged" in capsys.readouterr().out
    assert main(["project", "tables", str(counted / "review"), "-o", str(tmp_path / "after")]) == 0
    assert "4 proposals not reviewed yet" in capsys.readouterr().out
    (row,) = rows(tmp_path / "after" / "specimens.csv")
    (before,) = [row for row in rows(counted / "specimens.csv") if row["image"] == "april/b.png"][1:]
    assert row | {"specimen": "2"} == before


def test_images_that_count_has_added_come_to_the_review(counted, tmp_path, capsys):
    assert main(["project", "review", str(counted)]) == 0
    save(tmp_path / "season" / "june" / "new.png", 2, seed=9)
    assert count(tmp_path / "season", "-o", counted, "--pixel-size", "0.2", "--resume") == 0
    capsys.readouterr()
    assert main(["project", "review", str(counted)]) == 0
    assert "2 proposals of 4 images. 6 specimens were there already. 1 image added" in capsys.readouterr().out


def test_moved_images_are_found_and_missing_ones_are_named(counted, tmp_path, capsys):
    (tmp_path / "season").rename(tmp_path / "archive")
    (tmp_path / "archive" / "april" / "b.png").unlink()
    assert main(["project", "review", str(counted), "-o", str(tmp_path / "project")]) == 3
    said = capsys.readouterr()
    assert "2 images added" in said.out
    assert "april/b.png" in said.err
    assert "was not found" in said.err
    with Project.open(tmp_path / "project") as project:
        assert [project.path(image.id).parent.parent.name for image in project.images] == ["archive", "archive"]


def test_results_of_the_first_version_can_be_reviewed(tmp_path, capsys):
    with zipfile.ZipFile(TESTS / "data" / "version-0.1.0.zip") as archive:
        archive.extractall(tmp_path)
    assert main(["project", "review", str(tmp_path / "count")]) == 0
    assert "8 images added" in capsys.readouterr().out
    assert (
        main(["project", "tables", str(tmp_path / "count" / "review"), "-o", str(tmp_path / "t"), "--proposals"]) == 0
    )
    before = {tuple(row.items()) for row in rows(tmp_path / "count" / "counts.csv")}
    assert {tuple(row.items()) for row in rows(tmp_path / "t" / "counts.csv")} == before


def test_what_cannot_be_reviewed_is_refused_in_words_and_makes_nothing(counted, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["project", "review", str(tmp_path / "empty")]) == 2
    assert "is not a results folder of count" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "season")
    assert main(["project", "review", str(counted)]) == 2
    assert "was not found" in capsys.readouterr().err
    assert not (counted / "review").exists()
    (counted / "run.json").write_text('{"images": [1, {}]}')
    assert main(["project", "review", str(counted)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_tables_do_not_replace_those_of_count_nor_earlier_ones(counted, tmp_path, capsys):
    assert main(["project", "review", str(counted)]) == 0
    tables = ["project", "tables", str(counted / "review"), "-o"]
    assert main([*tables, str(counted)]) == 2
    assert "holds the results of count" in capsys.readouterr().err
    assert main([*tables, str(tmp_path / "after")]) == 0
    assert main([*tables, str(tmp_path / "after")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*tables, str(tmp_path / "after"), "--overwrite", "--xlsx"]) == 0
    assert (tmp_path / "after" / "tables.xlsx").exists()
    with (tmp_path / "after" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream))[1:] == []
