"""What a project's files could not hold is refused before it is written, and what fails leaves all as it was."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from helpers.projects import blob, box, names, new_project, polygon
from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import validation
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations

SQUARE = np.array([[10.0, 10], [30, 10], [30, 20], [10, 20]])


@pytest.mark.parametrize(
    "numbers",
    [
        (1e39, 20, 12, 5, 0),
        (-2e7, 20, 12, 5, 0),
        (20, 20, 3e7, 5, 0),
        (20, 20, 12, 1e-5, 0),
        (20, 20, float("inf"), 5, 0),
        (20, 20, 12, 5, float("nan")),
    ],
)
def test_boxes_that_no_file_holds(numbers):
    with pytest.raises(InputError, match="the box"):
        Specimen.rectangle(numbers, "Navicula")


@pytest.mark.parametrize(
    "outline",
    [
        (),
        ((),),
        ((SQUARE[:2],),),
        ((SQUARE * (1, 0),),),
        ((SQUARE, SQUARE[:2]),),
        ((np.vstack([SQUARE[:2], SQUARE[:1]]),),),
        ((np.array([[1.0, 1], [2, float("nan")], [3, 1]]),),),
        ((SQUARE * 1e9,),),
    ],
)
def test_outlines_that_no_file_holds(outline):
    with pytest.raises(InputError, match="outline needs"):
        Specimen.polygon(outline, "Navicula")
    whole = to_annotations([Specimen.polygon(((SQUARE,),), "Navicula")], masks=False)
    object.__setattr__(whole, "outlines", (outline,))
    with pytest.raises(InputError, match="number 1: An outline needs"):
        from_annotations(whole)


@pytest.mark.parametrize("width", [1e-3, 2e-3, 0.1])
@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3])
def test_the_thinnest_boxes_come_back(width, angle):
    made = Specimen.rectangle((4000.3, 3000.7, 50.0, width, angle), "Navicula")
    [read] = from_annotations(geojson.loads(geojson.dumps(to_annotations([made]))))
    assert read.is_like(made)


def test_a_repeated_end_point_is_one_point():
    closed = Specimen.polygon(((np.vstack([SQUARE, SQUARE[:1]]),),), "Navicula")
    assert len(closed.polygons[0][0]) == 4
    [read] = from_annotations(geojson.loads(geojson.dumps(to_annotations([closed]))))
    assert read.is_like(closed)


def test_a_file_with_a_specimen_that_cannot_be_is_named(tmp_path):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1), box(2)])
    path = project.folder / "annotations" / "s0f0.geojson"
    data = json.loads(path.read_bytes())
    data["features"][1]["properties"]["classification"]["name"] = "  "
    damaged = json.dumps(data)
    path.write_text(damaged)
    with Project.open(project.folder) as again:
        with pytest.raises(InputError, match=r"s0f0\.geojson cannot be used, number 2: .*no class.*Earlier versions"):
            again.document("s0f0")
        assert [item.kind for item in validation.find_problems(again)] == ["damaged"]
        again.document("s0f1").add([box()])
    assert path.read_text() == damaged


def ids(number: int, *used: str) -> Annotations:
    numbers = [[20 + 3 * i, 20, 12, 5, 0] for i in range(len(used))]
    return replace(Annotations.of(Detections.of(numbers), image=f"s0f{number}.png"), ids=used)


def test_an_import_that_fails_takes_nothing_back(tmp_path):
    with new_project(tmp_path) as project:
        doc = project.document("s0f0")
        elsewhere = Annotations.of(Detections.of([[40, 40, 9, 5, 0]]), image="s0f0.png")
        mine, proposed = box(1), box(2)
        doc.add([mine])
        doc.propose([proposed], "model 1")
        for wrong in (
            [ids(0, "a"), ids(0, "b", proposed.id)],
            [ids(0, "a", "b"), replace(elsewhere, ids=("a",))],
        ):
            with pytest.raises(InputError, match="Nothing was imported"):
                project.import_annotations([ids(1, "x"), *wrong])
            assert list(doc.specimens) == [mine.id]
            assert doc.history.undo_label == "add"
            assert not project.document("s0f1").specimens
        # The same file twice is the same specimens.
        assert project.import_annotations([ids(0, "a", "b"), ids(0, "a", "b")]) == 2
        assert list(doc.specimens) == [mine.id, "a", "b"]


def test_an_export_names_every_page_and_comes_back(tmp_path):
    from PIL import Image

    pages = [Image.fromarray(np.full((20, 30), 40 * i, dtype=np.uint8)) for i in range(2)]
    places = [tmp_path / "p" / "stack.tif", tmp_path / "p" / "b" / "stack.tif"]
    for number, place in enumerate(places):
        place.parent.mkdir(parents=True)
        pages[number].save(place, save_all=True, append_images=pages)
    with Project.create(tmp_path / "p", places) as project:
        for number, image in enumerate(project.images):
            project.document(image.id).add([box(number)])
        exported = project.export_annotations()
        assert [item.image for item in exported][:2] == ["stack.tif", "stack.tif#2"]
        assert len({item.image for item in exported}) == len(project.images) == 6
        kept = {image.id: names(project, image.id) for image in project.images}
        for image in project.images:
            project.document(image.id).undo()
        assert project.import_annotations(exported) == 6
        assert {image.id: names(project, image.id) for image in project.images} == kept


def test_half_a_journal_that_was_being_exchanged_is_no_leftover(tmp_path):
    with new_project(tmp_path) as project:
        folder = project.folder / HIDDEN / "journals"
        folder.mkdir()
        (folder / ".s0f0.abc.jsonl.part").write_bytes(b'{"annotator"')
        assert project.journals.leftovers() == []
        assert validation.find_problems(project) == []


def test_a_merge_without_own_edits_leaves_no_journal(tmp_path):
    first = new_project(tmp_path)
    document = first.document("s0f0")
    with Project.open(first.folder, "Bob") as second:
        second.document("s0f0").add([box(1)])
    assert document.rebase() is not None
    assert document.is_saved
    assert not list((first.folder / HIDDEN / "journals").iterdir())
    document.add([box(2)])
    first.close()
    with Project.open(first.folder) as again:
        assert len(again.document("s0f0").specimens) == 2


def test_what_was_counted_earlier_is_known_after_a_session_that_did_not_count(tmp_path):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1)])
    with Project.open(project.folder) as again:
        again.summary()
    counted = (project.folder / HIDDEN / "summary.json").read_bytes()
    assert "s0f0" in json.loads(counted)
    Project.open(project.folder).close()
    assert (project.folder / HIDDEN / "summary.json").read_bytes() == counted


def test_a_folder_that_may_only_be_read(tmp_path, capsys):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1), blob()])
    folder = project.folder
    # Another program has written a file since, so that the state of its image is news.
    geojson.write(folder / "annotations" / "s0f1.geojson", to_annotations([polygon()]))
    everything = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in everything:
        path.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user can write anywhere")
        for action in ("stats", "check"):
            assert main(["project", action, str(folder)]) == 0
        assert "2 images, 0 errors" in capsys.readouterr().out
        assert main(["project", "split", str(folder)]) == 2
        assert "cannot be written" in capsys.readouterr().err
        again = Project.open(folder)
        document = again.document("s0f0")
        with pytest.raises(OutputError, match="cannot be written"):
            document.add([box(2)])
        with pytest.raises(OutputError, match="cannot be written"):
            again.flush()
        assert len(document.specimens) == 3
    finally:
        for path in everything:
            path.chmod(0o755)
    again.close()
    with Project.open(folder) as third:
        assert len(third.document("s0f0").specimens) == 3


def test_a_new_project_whose_annotations_do_not_fit_can_be_made_again(tmp_path, capsys):
    with new_project(tmp_path) as project:
        images = [str(project.path(image.id)) for image in project.images]
    geojson.write(tmp_path / "lost.geojson", to_annotations([box()], "lost.png"))
    geojson.write(tmp_path / "s0f1.geojson", to_annotations([box()], "s0f1.png"))
    command = ["project", "new", str(tmp_path / "second"), *images, "--annotations"]
    assert main([*command, str(tmp_path / "lost.geojson")]) == 2
    assert "the project has no image of this name" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()
    assert main([*command, str(tmp_path / "s0f1.geojson")]) == 0
    assert "2 images, 1 class, 1 specimen" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "s0f1.geojson")]) == 2
    assert "already contains a project" in capsys.readouterr().err
    assert (tmp_path / "second" / PROJECT_FILE).exists()


def test_stats_count_statuses_that_are_no_longer_offered(tmp_path, capsys):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1), box(2, status="teratological")])
        project.update(project.settings.replace(statuses=("valve", "girdle")))
    assert main(["project", "stats", str(project.folder)]) == 0
    [row] = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("Navicula")]
    assert row == ["Navicula", "1", "1", "2"]
