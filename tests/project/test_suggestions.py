"""What was suggested and what people made of it; and what a taxon list says of taxa."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.named_projects import TAXA, named_project
from helpers.projects import new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.project.suggestions import SuggestionLog, answer_tallies, answered
from napari_diatom.project.taxon_list import read_taxon_list, write_taxon_list

GREGARIA, LANCEOLATA, PALEA = TAXA


def test_answers_of_two_windows_are_kept_and_summed_up(tmp_path: Path) -> None:
    project, _ = named_project(tmp_path)
    first, second = SuggestionLog(project.folder), SuggestionLog(project.folder)
    assert first.read() == []
    offered = [(GREGARIA, 0.7), (PALEA, 0.2), (LANCEOLATA, 0.1)]
    image = project.images[0].id
    first.append([answered(image, f"v{k}", GREGARIA, offered, "embedder 0", "Ada") for k in range(4)])
    # A killed window leaves a part of a line.
    with first.path.open("ab") as stream:
        stream.write(b'{"image": "s0f0", "spec')
    second.append([answered(image, "v1", PALEA, offered, "embedder 0", "Bo")])
    answers = first.read()
    assert len(answers) == 5
    assert answers[-1].annotator == "Bo"
    assert answers[-1].place == 2
    assert answers[0].suggested == tuple(offered)

    def present(image_id: str, specimen_id: str) -> str | None:
        now = {item.id: item.name for item in project.contents(image_id).specimens}
        return now.get(specimen_id)

    project.document(image).set_class(["v3"], LANCEOLATA)
    by_taxon = answer_tallies(answers, present)
    # v0 and v2 are as they were taken, v1 was answered again but is Navicula gregaria, v3 was changed.
    assert [(one.name, one.answered, one.first, one.changed) for one in by_taxon] == [
        (GREGARIA, 2, 2, 1),
        (PALEA, 0, 0, 1),
    ]
    assert by_taxon[0].unchanged == pytest.approx(2 / 3)
    assert [(one.name, one.answered) for one in answer_tallies(answers, present, "annotator")] == [
        ("Ada", 2),
        ("Bo", 0),
    ]
    assert first.read({GREGARIA: "Navicula"})[0].taxon == "Navicula"


def test_a_taxon_list_says_genus_handedness_and_synonyms_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "taxa.csv"
    path.write_text(
        "name;genus;handed;synonym of\nNavicula gregaria;;no;\nN. gregalis;Navicula;;Navicula gregaria\n"
        "Gyrosigma sinistrum;Gyrosigma;Yes;\nCentrales indet.;Centrales;x;Centrales indet.\n"
    )
    listed = read_taxon_list(path)
    assert listed.given == {"genus", "handed", "synonym_of"}
    project = new_project(tmp_path)
    project.classes.take_list(listed.classes, listed.given)
    taxa = ProjectTaxa.of(project.settings)
    assert taxa.genus("N. gregalis") == taxa.genus("Navicula gregaria") == "Navicula"
    assert taxa.handed == {"Gyrosigma sinistrum", "Centrales indet."}
    assert taxa.taxon("N. gregalis") == "Navicula gregaria"
    assert taxa.taxon("Centrales indet.") == "Centrales indet."
    write_taxon_list(tmp_path / "again.csv", project.settings.classes)
    assert (tmp_path / "again.csv").read_text().splitlines()[3:5] == [
        "Navicula gregaria,,#009e73,3,Navicula,no,",
        "N. gregalis,,#f0e442,4,Navicula,no,Navicula gregaria",
    ]
    assert read_taxon_list(tmp_path / "again.csv").classes == project.settings.classes
    # What says nothing is not written, so that earlier versions read the project.
    text = (project.folder / PROJECT_FILE).read_text()
    assert text.count("handed") == 2
    assert "no_taxon" not in text
    project.update(project.settings.replace(no_taxon=("Centric",)))
    with Project.open(project.folder) as again:
        assert not ProjectTaxa.of(again.settings).is_taxon("centric")
        assert not ProjectTaxa.of(again.settings).is_taxon("Diatom")
    path.write_text("name,handed\nA,perhaps\nB,no\n")
    with pytest.raises(InputError, match="A: handed is 'perhaps', which is neither yes nor no"):
        read_taxon_list(path)


def test_what_the_list_says_of_a_class_follows_its_name(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    place = str(project.folder)
    assert main(["project", "classes", place, "--add", "Centric"]) == 0
    assert main(["project", "classes", place, "--no-taxon", "Centric", "Nitzschia"]) == 0
    project.refresh()
    classes = tuple(
        item.replace(synonym_of="Navicula" if item.name == "Centric" else "") for item in project.settings.classes
    )
    project.update(project.settings.replace(classes=classes))
    project.classes.rename("Centric", "Centrales")
    project.classes.rename("Navicula", "Navicula s. l.")
    assert project.settings.no_taxon == ("Centrales", "Nitzschia")
    assert project.settings.classes[-1].synonym_of == "Navicula s. l."
    project.classes.merge(["Nitzschia"], "Navicula s. l.")
    assert project.settings.no_taxon == ("Centrales",)
    project.classes.merge(["Navicula s. l."], "Centrales")
    assert project.settings.classes[-1].synonym_of == ""
    project.classes.set_no_taxon([])
    assert project.settings.no_taxon == ()


def test_synonyms_that_go_round_in_a_circle_are_their_own_names() -> None:
    taxa = ProjectTaxa(accepted={"A": "B", "B": "A", "C": "A"})
    assert [taxa.taxon(name) for name in "ABCD"] == ["A", "B", "C", "D"]
