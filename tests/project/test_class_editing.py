"""Classes of a project are renamed, merged and removed with all their specimens, whoever is killed or beside it."""

from __future__ import annotations

import itertools

import pytest

from helpers.projects import box, crashed, names, new_project
from napari_diatom.core.errors import InputError, OutputError, Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.project import backups
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectClass


def classes(project: Project) -> list[str]:
    return [item.name for item in project.settings.classes]


def test_a_rename_that_is_stopped_or_killed_holds_for_all_specimens(tmp_path):
    with new_project(tmp_path, fields=4) as project:
        for image in project.images:
            project.document(image.id).add([box(1)])
            project.document(image.id).propose([box(2)], "model 1")
    looks = itertools.count()
    project = Project.open(project.folder)
    with pytest.raises(Stopped):
        project.classes.rename("Navicula", "Gomphonema", ProgressMonitor(should_stop=lambda: next(looks) > 1))
    texts = [path.read_text() for path in sorted((project.folder / "annotations").iterdir())]
    assert ["Navicula" in text for text in texts] == [False, False, True, True]
    with Project.open(crashed(project)) as again:
        assert {name: use.specimens for name, use in again.classes.use().items()} == {"Gomphonema": 4, "Nitzschia": 0}
        for image in again.images:
            assert set(names(again, image.id).values()) == {"Gomphonema"}
            assert {item.name for item in again.document(image.id).proposals.values()} == {"Gomphonema"}
    # What was read was written, too.
    assert not any("Navicula" in path.read_text() for path in project.folder.glob("*/*.geojson"))


def test_edits_of_a_window_that_did_not_know_of_a_rename_are_kept_under_the_new_name(tmp_path):
    mine = new_project(tmp_path)
    doc = mine.document("s0f0")
    doc.add([box(1, id="one"), box(2, id="two")])
    mine.flush()
    # Moved, relabelled and added, in a journal still.
    doc.reshape({"one": box(30)})
    doc.set_class(["two"], "Nitzschia")
    doc.add([box(3, id="three")])
    with Project.open(mine.folder, "Bob") as theirs:
        theirs.classes.rename("Navicula", "Gomphonema")
    mine.classes.catch_up()
    assert names(mine, "s0f0") == {"one": "Gomphonema", "two": "Nitzschia", "three": "Gomphonema"}
    doc.rebase()
    mine.flush()
    assert doc.specimens["one"].box == pytest.approx(box(30).box)
    doc.undo()
    assert "three" not in doc.specimens
    with Project.open(crashed(mine)) as again:
        assert names(again, "s0f0") == {"one": "Gomphonema", "two": "Nitzschia"}


def test_a_killed_window_that_did_not_know_of_a_rename_loses_nothing(tmp_path):
    mine = new_project(tmp_path)
    mine.document("s0f0").add([box(1, id="one")])
    mine.flush()
    mine.document("s0f0").set_status(["one"], "broken")
    mine.document("s0f0").add([box(2, id="two")])
    with Project.open(mine.folder, "Bob") as theirs:
        theirs.classes.rename("Navicula", "Gomphonema")
    with Project.open(crashed(mine)) as again:
        assert names(again, "s0f0") == {"one": "Gomphonema", "two": "Gomphonema"}
        assert again.document("s0f0").specimens["one"].status == "broken"
        assert not again.journals.leftovers()


def test_a_former_name_can_be_a_class_again_and_leads_on_where_it_was_renamed_twice(tmp_path):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1, id="one")])
        project.classes.rename("Navicula", "Gomphonema")
        project.classes.rename("Gomphonema", "Eunotia")
        assert project.settings.former_names == {"Navicula": "Eunotia", "Gomphonema": "Eunotia"}
        project.classes.add("Navicula")
        project.document("s0f0").add([box(2, "Navicula", id="two")])
        assert names(project, "s0f0") == {"one": "Eunotia", "two": "Navicula"}
        project.classes.rename("Eunotia", "Gomphonema")
    with Project.open(project.folder) as again:
        assert names(again, "s0f0") == {"one": "Gomphonema", "two": "Navicula"}


def test_merging_keeps_key_and_code_and_refuses_what_cannot_be(tmp_path):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1, id="one"), box(2, "Unlisted", id="two")])
        project.classes.change("Navicula", code="NAVI")
        for wrong, match in (
            ((["Nitzschia"], "Nitzschia"), "into itself"),
            (([], "Nitzschia"), "at least one"),
            ((["Fragilaria"], "Nitzschia"), "no class 'Fragilaria'"),
            ((["Nitzschia"], "Fragilaria"), "no class 'Fragilaria'"),
        ):
            with pytest.raises(InputError, match=match):
                project.classes.merge(*wrong)
        with pytest.raises(InputError, match="already has a class 'Nitzschia': merge"):
            project.classes.rename("Navicula", "Nitzschia")
        project.classes.merge(["Navicula", "Unlisted"], "Nitzschia")
        assert project.settings.classes == (ProjectClass(name="Nitzschia", code="NAVI", colour="#56b4e9", key="2"),)
        assert set(names(project, "s0f0").values()) == {"Nitzschia"}


def test_a_class_with_specimens_is_removed_only_with_them_and_they_stay_in_the_history(tmp_path):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1, id="one"), box(2, "Nitzschia", id="two")])
        project.flush()
        with pytest.raises(InputError, match="1 specimen in 1 image: merge it"):
            project.classes.remove("Navicula")
        assert project.classes.remove("Navicula", delete_specimens=True) == 1
        assert classes(project) == ["Nitzschia"]
        assert names(project, "s0f0") == {"two": "Nitzschia"}
    kept = backups.earlier_versions(project.folder, project.folder / "annotations" / "s0f0.geojson")
    assert '"one"' in kept[-1].read_text()


def test_without_room_no_class_is_changed(tmp_path, monkeypatch):
    with new_project(tmp_path) as project:
        project.document("s0f0").add([box(1, id="one")])
        project.flush()

        def full(*_: object) -> None:
            raise OutputError("No room.")

        with monkeypatch.context() as patch:
            patch.setattr(backups, "rewrite", full)
            with pytest.raises(OutputError):
                project.classes.rename("Navicula", "Gomphonema")
        assert classes(project) == ["Navicula", "Nitzschia"]
        assert names(project, "s0f0") == {"one": "Navicula"}


def test_slides_samples_and_pixel_sizes_follow_each_other(tmp_path):
    with new_project(tmp_path, slides=3) as project:
        ids = [image.id for image in project.images]
        project.facts.set_pixel_size(ids[:1], 0.1)
        assert project.settings.pixel_sizes_um == {"s0": 0.1}
        from napari_diatom.project import splits

        planned = splits.plan(project.summary(), shares=(60, 40))
        project.update(project.settings.replace(split=planned.split))
        part = splits.part_of(project.settings.split, project.images[0])
        # A slide that gets another name keeps its pixel size and its part.
        project.facts.set(ids[:2], slide=" river 1 ", sample="river")
        assert project.settings.pixel_sizes_um == {"river 1": 0.1}
        assert splits.part_of(project.settings.split, project.images[0]) == part
        project.facts.set_pixel_size(ids[2:4], 0.2)
        with pytest.raises(InputError, match="another size"):
            project.facts.set(ids[:1], slide="s1")
        with pytest.raises(InputError, match="not a pixel size"):
            project.facts.set_pixel_size(ids, 1e6)
        with pytest.raises(InputError, match="no image 'lost'"):
            project.facts.set(["lost"], sample="x")
        project.facts.set_pixel_size(ids, None)
        assert project.settings.pixel_sizes_um == {}
