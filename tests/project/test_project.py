"""The project on disk: nothing finished is lost, nobody is overwritten, damage is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.projects import blob, box, crashed, names, new_project, picture, polygon
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import backups
from napari_diatom.project import project as store
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.journal import Journal
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE, Settings
from napari_diatom.project.specimen import to_annotations


def journals(folder: Path) -> list[Path]:
    return sorted((folder / HIDDEN / "journals").glob("*"))


def test_the_thin_path(tmp_path):
    with new_project(tmp_path) as project:
        assert [image.id for image in project.images] == ["s0f0", "s0f1"]
        assert [image.path for image in project.images] == ["../images/s0/s0f0.png", "../images/s0/s0f1.png"]
        assert (project.images[0].slide, project.images[0].height, project.images[0].width) == ("s0", 60, 80)
        doc = project.document("s0f0")
        assert project.document("s0f0") is doc
        made = [box(), polygon(), blob()]
        doc.add(made)
        doc.propose([box(3)], "model 1")
        project.flush()
        assert not journals(project.folder)
        assert project.images[0].state == "work"
    with Project.open(project.folder / PROJECT_FILE, "Bob") as again:
        doc = again.document("s0f0")
        assert [item.id for item in doc.specimens.values()] == [item.id for item in made]
        assert [item.annotator for item in doc.specimens.values()] == ["Ada"] * 3
        assert [item.origin for item in doc.proposals.values()] == ["model 1"]
        assert doc.is_saved
        before = (project.folder / "annotations" / "s0f0.geojson").read_bytes()
        again.flush()
    assert (project.folder / "annotations" / "s0f0.geojson").read_bytes() == before
    assert not list((project.folder / HIDDEN / "sessions").iterdir())


def test_files_are_those_that_qupath_reads(tmp_path):
    with new_project(tmp_path) as project:
        project.update(project.settings.replace(pixel_sizes_um={"s0": 0.25}))
        project.document("s0f0").add([box(), blob()])
    read = geojson.read(project.folder / "annotations" / "s0f0.geojson")
    assert (read.image, read.height, read.width, read.pixel_size_um) == ("s0f0.png", 60, 80, 0.25)
    assert read.detections.classes == ("Navicula", "Nitzschia")
    assert all(read.ids)


def test_edits_of_a_killed_program_are_made_again(tmp_path):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    one, two = box(1), box(2)
    doc.add([one, two])
    project.flush()
    doc.set_class([one.id], "Nitzschia")
    doc.remove([two.id])
    doc.undo()
    doc.propose([box(5)], "model 1")
    doc.set_done(True)
    folder = crashed(project)
    (left,) = journals(folder)
    # The program was killed in the middle of a line.
    with left.open("ab") as stream:
        stream.write(b'{"label": "class", "after": {"')
    with Project.open(folder) as again:
        assert names(again, "s0f0") == {one.id: "Nitzschia", two.id: "Navicula"}
        assert len(again.document("s0f0").proposals) == 1
        assert again.document("s0f0").state == "done"
        assert not journals(folder)
        assert again.journals.leftovers() == []


@pytest.mark.parametrize("kept", ["annotations", "both"])
def test_a_kill_between_writing_and_emptying_the_journal(tmp_path, kept):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.propose([box(1), box(2)], "model 1")
    project.flush()
    proposals = (project.folder / "proposals" / "s0f0.geojson").read_bytes()
    doc.accept([next(iter(doc.proposals))])
    (left,) = journals(project.folder)
    copy = left.read_bytes()
    project.flush()
    left.write_bytes(copy)
    if kept == "annotations":
        (project.folder / "proposals" / "s0f0.geojson").write_bytes(proposals)
    with Project.open(crashed(project)) as again:
        assert len(again.document("s0f0").specimens) == len(again.document("s0f0").proposals) == 1
        assert not journals(project.folder)


def test_a_damaged_line_costs_only_itself(tmp_path):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    one, two, three = box(1), box(2), box(3)
    for item in (one, two, three):
        doc.add([item])
    folder = crashed(project)
    (left,) = journals(folder)
    lines = left.read_bytes().splitlines(keepends=True)
    left.write_bytes(b"".join([*lines[:2], b"{gone\n", lines[3]]))
    with Project.open(folder) as again:
        assert list(names(again, "s0f0")) == [one.id, three.id]
        (found,) = again.journals.leftovers()
        assert found.damaged == (3,)
        assert found.path.name.endswith(".damaged")


def test_a_window_does_not_overwrite_another_one(tmp_path):
    first = new_project(tmp_path)
    one, two = box(1), box(2)
    first.document("s0f0").add([one, two])
    first.document("s0f1").add([box(7)])
    first.flush()
    second = Project.open(first.folder, "Bob")
    assert [there.annotator for there in second.session.others()] == ["Ada"]
    second.show("s0f0").set_class([two.id], "Eunotia")
    assert [(there.annotator, there.image) for there in first.session.others()] == [("Bob", "s0f0")]
    mine = first.document("s0f0")
    mine.set_class([one.id], "Nitzschia")
    first.document("s0f1").set_done(True)
    second.flush()
    theirs = (first.folder / "annotations" / "s0f0.geojson").read_bytes()
    with pytest.raises(ConflictError, match=r"s0f0 were changed by Bob at 20.*rebase"):
        first.flush()
    assert (first.folder / "annotations" / "s0f0.geojson").read_bytes() == theirs
    # The other image was written, and the edits are still in a journal.
    assert first.document("s0f1").is_saved
    assert len(journals(first.folder)) == 1
    mine.rebase()
    first.flush()
    assert names(first, "s0f0") == {one.id: "Nitzschia", two.id: "Eunotia"}
    second.close()
    first.close()
    with Project.open(first.folder) as again:
        assert names(again, "s0f0") == {one.id: "Nitzschia", two.id: "Eunotia"}
        assert [image.state for image in again.images] == ["work", "done"]


def test_edits_of_a_window_that_closed_in_conflict_are_merged_or_kept(tmp_path):
    first = new_project(tmp_path)
    one, two = box(1), box(2)
    first.document("s0f0").add([one, two])
    first.flush()
    second = Project.open(first.folder, "Bob")
    second.document("s0f0").set_class([one.id], "theirs")
    first.document("s0f0").set_class([one.id], "mine")
    second.close()
    with pytest.raises(ConflictError):
        first.close()
    with Project.open(first.folder) as again:
        assert names(again, "s0f0")[one.id] == "theirs"
        (left,) = again.journals.leftovers()
        assert left.annotator == "Ada"
        assert left.edit is not None
        assert left.edit.after[one.id].name == "mine"


def test_the_journal_of_a_live_window_is_left_alone(tmp_path):
    first = new_project(tmp_path)
    first.document("s0f0").add([box(1)])
    with Project.open(first.folder, "Bob") as second:
        assert not second.document("s0f0").specimens
        assert second.journals.leftovers() == []
    first.close()
    with Project.open(first.folder) as again:
        assert len(again.document("s0f0").specimens) == 1


def test_a_file_changed_by_another_program_is_a_conflict(tmp_path):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.add([box(1)])
    project.flush()
    path = project.folder / "annotations" / "s0f0.geojson"
    data = json.loads(path.read_bytes())
    added = dict(data["features"][0])
    del added["id"]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [*data["features"], added]}))
    doc.set_status(list(doc.specimens), "girdle")
    with pytest.raises(ConflictError, match="by another program at"):
        project.flush()
    doc.rebase()
    project.close()
    with Project.open(project.folder) as again:
        found = list(again.document("s0f0").specimens.values())
        assert [item.status for item in found] == ["girdle", "valve"]
        assert found[0].id != found[1].id


def test_specimens_without_ids_have_the_same_ones_after_a_crash(tmp_path):
    project = new_project(tmp_path)
    path = project.folder / "annotations" / "s0f0.geojson"
    geojson.write(path, Annotations.of(Detections.of([[20, 20, 12, 5, 0], [40, 30, 12, 5, 0]])))
    doc = project.document("s0f0")
    first = next(iter(doc.specimens))
    doc.set_class([first], "Eunotia")
    with Project.open(crashed(project)) as again:
        assert list(names(again, "s0f0").values()) == ["Eunotia", "diatom"]


def test_no_room_keeps_edits_in_memory(tmp_path, monkeypatch):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.add([box(1)])

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            doc.add([box(2)])
        with pytest.raises(OutputError, match="No space left on device"):
            project.flush()
    assert len(doc.specimens) == 2
    # The next line brings the one that found no room.
    doc.add([box(3)])
    with Project.open(crashed(project)) as again:
        assert len(again.document("s0f0").specimens) == 3


def test_half_a_line_without_room_is_written_over(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j" / "a.x.jsonl", "Ada")
    journal.append('{"n": 1}')
    write = os.write

    def little(descriptor: int, data: bytes) -> int:
        if len(data) > 4:
            return write(descriptor, data[:4])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", little)
        with pytest.raises(OutputError):
            journal.append('{"n": 2}')
    journal.append('{"n": 3}')
    journal.close()
    assert [json.loads(line).get("n") for line in journal.path.read_text().splitlines()] == [None, 1, 2, 3]


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path, monkeypatch):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1)])
    shutil.rmtree(project.folder / HIDDEN)
    (project.folder / HIDDEN).write_text("no folder")
    again = Project.open(project.folder)
    doc = again.document("s0f0")
    assert len(doc.specimens) == 1
    with pytest.raises(OutputError):
        doc.add([box(2)])
    with pytest.raises(OutputError, match="cannot be written"):
        again.flush()
    (project.folder / HIDDEN).unlink()
    again.flush()
    again.close()
    with Project.open(project.folder) as third:
        assert len(third.document("s0f0").specimens) == 2


def test_ten_versions_are_kept(tmp_path):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    for number in range(14):
        doc.add([box(number)])
        project.flush()
    path = project.folder / "annotations" / "s0f0.geojson"
    kept = backups.earlier_versions(project.folder, path)
    assert [len(geojson.read(version)) for version in kept] == list(range(4, 14))
    path.write_bytes(b"{damaged")
    project.close()
    with Project.open(project.folder) as again:
        with pytest.raises(InputError, match=r"Earlier versions are in .*\.history"):
            again.document("s0f0")
        assert again.summary()[0].problem
        shutil.copy(kept[-1], path)
        assert len(again.document("s0f0").specimens) == 13


def test_settings_are_refused_with_every_problem(tmp_path):
    with new_project(tmp_path) as project:
        path = project.folder / PROJECT_FILE
    good = yaml.safe_load(path.read_text())
    bad = good | {"colour": 1, "classes": [{"name": "a", "key": "x"}, {"name": "b", "colour": "red"}]}
    bad["images"] = [good["images"][0], good["images"][0] | {"sha256": "0"}]
    path.write_text(yaml.safe_dump(bad))
    with pytest.raises(InputError) as error:
        Project.open(project.folder)
    for words in ("colour: unknown entry", "classes.0.key", "classes.1.colour", "images.1.sha256"):
        assert words in str(error.value)
    for text, words in (
        ("format: 2\n", "newer version"),
        ("- a\n", "not a project file"),
        ("a: [", "is not a project file: while parsing"),
        (yaml.safe_dump(good | {"images": [good["images"][0]] * 2}), "id of two images"),
        (yaml.safe_dump(good | {"statuses": ["dead"]}), "unknown status 'dead'"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            Project.open(project.folder)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="UTF-8"):
        Project.open(project.folder)
    path.unlink()
    with pytest.raises(InputError, match="is not a project"):
        Project.open(project.folder)


def test_settings_of_two_windows_are_merged(tmp_path):
    first = new_project(tmp_path)
    second = Project.open(first.folder, "Bob")
    stale = second.settings
    first.update(first.settings.with_classes(["Eunotia"]))
    first.document("s0f0").set_done(True)
    first.flush()
    second.update(stale.replace(pixel_sizes_um={"s0": 0.1}).with_image("s0f1", slide="other"))
    merged = first.refresh()
    assert [item.name for item in merged.classes] == ["Navicula", "Nitzschia", "Eunotia"]
    assert merged.pixel_sizes_um == {"s0": 0.1}
    assert [(image.state, image.slide) for image in merged.images] == [("done", "s0"), ("untouched", "other")]
    first.update(first.settings.with_classes(["one"]))
    with pytest.raises(ConflictError, match="classes"):
        second.update(second.settings.with_classes(["another"]))
    assert [item.name for item in second.refresh().classes][-1] == "one"
    # How far an image is does not go back with settings that were taken before.
    taken = first.settings
    first.document("s0f1").add([box()])
    first.flush()
    first.update(taken.replace(counting=taken.counting.replace(target=300)))
    assert first.images[1].state == "work"
    first.close()
    second.close()


def test_images_of_one_name_get_files_of_their_own(tmp_path):
    paths = [picture(tmp_path / folder / name, i) for i, (folder, name) in enumerate([("a", "x.png"), ("b", "X.PNG")])]
    with Project.create(tmp_path / "p", [*paths, paths[0]]) as project:
        assert [image.id for image in project.images] == ["x", "X-2"]
        assert project.add_images(paths) == ()
        (new,) = project.add_images([picture(tmp_path / "c" / "x.png", 7)])
        assert new.id == "x-3"
        project.document("x-3").add([box()])
        project.remove_image("x-3")
        assert [image.id for image in project.images] == ["x", "X-2"]
        assert not (project.folder / "annotations" / "x-3.geojson").exists()
        assert len(backups.earlier_versions(project.folder, project.folder / "annotations" / "x-3.geojson")) == 1
        with pytest.raises(InputError, match="no image 'x-3'"):
            project.document("x-3")
        with pytest.raises(InputError, match="already contains a project"):
            Project.create(tmp_path / "p", paths)


def test_pages_of_a_file_are_images(tmp_path):
    from PIL import Image

    pages = [Image.fromarray(np.full((20, 30), 40 * i, dtype=np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with Project.create(tmp_path / "p", [tmp_path / "stack.tif"]) as project:
        assert [(image.id, image.page) for image in project.images] == [(f"stack-page{n}", n) for n in (1, 2, 3)]
        assert project.import_annotations([Annotations.of(Detections.of([[9, 9, 8, 4, 0]]), image="stack.tif#2")]) == 1
        assert len(project.document("stack-page2").specimens) == 1


def test_moved_missing_and_changed_images(tmp_path):
    with new_project(tmp_path) as project:
        assert project.linked_images.condition("s0f0") == "as it was"
        place = project.path("s0f0")
        moved = tmp_path / "elsewhere" / "deep" / "renamed.png"
        moved.parent.mkdir(parents=True)
        place.rename(moved)
        assert project.linked_images.condition("s0f0") == "missing"
        assert project.linked_images.find_moved([tmp_path / "images"]) == {}
        assert project.linked_images.find_moved([tmp_path]) == {"s0f0": moved}
        assert project.linked_images.condition("s0f0") == "as it was"
        assert project.images[0].path == "../elsewhere/deep/renamed.png"

        picture(moved, 99)
        assert project.linked_images.condition("s0f0") == "changed"
        project.linked_images.accept_changed("s0f0")
        assert project.linked_images.condition("s0f0") == "as it was"
        picture(moved, 99, height=61)
        with pytest.raises(InputError, match="80 x 60 px"):
            project.linked_images.accept_changed("s0f0")
        with pytest.raises(InputError, match="not a folder"):
            project.linked_images.find_moved([tmp_path / "nowhere"])


def test_what_is_written_is_counted_without_reading_it_again(tmp_path, monkeypatch):
    project = new_project(tmp_path)
    project.document("s0f0").add([box(1), box(2)])
    project.release("s0f0")
    document = project.document("s0f1")
    document.add([polygon()])
    project.flush()
    document.remove(list(document.specimens))
    project.close()
    monkeypatch.setattr(store.tallies, "of_files", lambda *_: pytest.fail("counted again"))
    with Project.open(project.folder) as again:
        assert [tally.total for tally in again.summary()] == [2, 0]
    monkeypatch.undo()
    # What another program writes is read.
    geojson.write(project.folder / "annotations" / "s0f1.geojson", to_annotations([polygon()]))
    with Project.open(project.folder) as again:
        assert [tally.total for tally in again.summary()] == [2, 1]


def test_summary_is_counted_once_per_revision(tmp_path, monkeypatch):
    project = new_project(tmp_path)
    doc = project.document("s0f0")
    doc.add([box(1), box(2), blob()])
    doc.set_status([next(iter(doc.specimens))], "broken")
    doc.propose([box(9)], "model 1")
    live = project.summary()
    assert live[0].counts == {("Navicula", "valve"): 2, ("Navicula", "broken"): 1}
    assert (live[0].state, live[0].proposals, live[0].total) == ("work", 1, 3)
    assert live[0].counted(["valve"]) == {"Navicula": 2}
    project.release("s0f0")
    assert project.summary()[0].counts == live[0].counts
    project.close()
    with monkeypatch.context() as patch, Project.open(project.folder) as again:
        patch.setattr(store.tallies, "of_files", lambda *arguments: pytest.fail("counted again"))
        assert again.summary()[0].counts == live[0].counts
    project = Project.open(project.folder)
    project.document("s0f1").add([box(1)])
    with Project.open(crashed(project)) as again:
        # Edits of a killed window count.
        assert again.summary()[1].total == 1


def test_import_is_whole_or_not_at_all(tmp_path):
    with new_project(tmp_path) as project:
        good = Annotations.of(Detections.of([[20, 20, 12, 5, 0]], classes=("Eunotia",)), image="some/where/s0f0.jpg")
        wrong = Annotations.of(Detections.of([[20, 20, 12, 5, 0]]), image="s0f1.png", height=10, width=10)
        lost = Annotations.of(Detections.empty(), image="lost.png")
        with pytest.raises(InputError, match=r"Nothing was imported.*10 x 10 px.*lost.png: the project has no image"):
            project.import_annotations([good, wrong, lost])
        assert not project.document("s0f0").specimens
        assert project.import_annotations([good]) == 1
        assert [item.name for item in project.settings.classes][-1] == "Eunotia"
        exported = project.export_annotations()
        assert [item.image for item in exported] == ["s0f0.png", "s0f1.png"]
        assert exported[0].ids == tuple(project.document("s0f0").specimens)
        # What is there already is passed over.
        assert project.import_annotations(exported) == 0
        project.document("s0f0").set_class(list(exported[0].ids), "Navicula")
        with pytest.raises(InputError, match="already in the project, with different content"):
            project.import_annotations(exported)


def test_import_without_room_is_undone(tmp_path, monkeypatch):
    with new_project(tmp_path) as project:
        one = Annotations.of(Detections.of([[20, 20, 12, 5, 0]]), image="s0f0.png")
        project.update(project.settings.with_classes(["diatom"]))

        def full(self: object, line: str) -> None:
            raise OutputError("No room.")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "append", full)
            with pytest.raises(OutputError):
                project.import_annotations([one])
        assert not project.document("s0f0").specimens
    with Project.open(project.folder) as again:
        assert not again.document("s0f0").specimens


def test_edits_of_a_crowded_image_are_quick(tmp_path, monkeypatch):
    with new_project(tmp_path) as project:
        doc = project.document("s0f0")
        made = [box(number) for number in range(5000)]
        doc.add(made)
        # How long the disk takes, and other programs, says nothing of this one.
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        spent = []
        for item in made[:20]:
            start = time.process_time()
            doc.set_class([item.id], "Nitzschia")
            spent.append(time.process_time() - start)
        assert sorted(spent)[10] < 0.005


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_is_seen_to_be_gone(tmp_path):
    project = new_project(tmp_path)
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom napari_diatom.project.project import Project\n"
        "from napari_diatom.project.specimen import Specimen\n"
        "p = Project.open(Path(sys.argv[1]), 'Eve')\n"
        "p.show('s0f1').add([Specimen.rectangle((9, 9, 8, 4, 0), 'Navicula')])\nprint('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(project.folder)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert [(there.annotator, there.image) for there in project.session.others()] == [("Eve", "s0f1")]
        child.send_signal(signal.SIGKILL)
    assert project.session.others() == []
    assert len(project.document("s0f1").specimens) == 1
    project.close()


def test_empty_settings_come_back():
    assert Settings.of_text(Settings().to_text().encode(), "x") == Settings()
