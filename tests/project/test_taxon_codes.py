"""Lists of taxa with codes, authors, synonyms and what else is known of them: read, written, searched, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.projects import new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import PROJECT_FILE, ProjectClass
from napari_diatom.project.taxon_codes import CODE_SCHEMES, code_clashes, code_in, is_like, taxa_meant
from napari_diatom.project.taxon_list import read_taxa, read_taxon_list, write_taxon_list

FLORA = """Species;Authors;OMNIDIA;DiatCode;NBS code;Code SANDRE;DV-Nr;AphiaID;Synonyms;Growth form;Planktonic;Note
Aulacoseira granulata;(Ehrenberg) Simonsen;AUGR;AULGRA;AU002A;8559,0;6001;148953;Melosira granulata | M. granulata;\
filament;yes;1,5
Navicula gregaria;Donkin;NGRE;NAVGRE;NA023A;7881;6015;149035;;motile;no;2,5
"""


def flora(folder: Path, text: str = FLORA) -> Path:
    path = folder / "flora.csv"
    path.write_text(text, encoding="cp1252")
    return path


def test_a_list_with_codes_is_read_and_comes_back(tmp_path: Path) -> None:
    listed = read_taxon_list(flora(tmp_path))
    first, second = listed.classes
    assert {scheme: code_in(first, scheme) for scheme in CODE_SCHEMES} == {
        "omnidia": "AUGR",
        "diatcode": "AULGRA",
        "nbs": "AU002A",
        "sandre": "8559",
        "dv": "6001",
        "aphiaid": "148953",
    }
    assert (first.code, first.omnidia, first.authors) == ("AUGR", "", "(Ehrenberg) Simonsen")
    assert (first.synonyms, first.growth_form) == (("Melosira granulata", "M. granulata"), "filament")
    assert (first.planktic, second.planktic, second.synonyms) == ("yes", "no", ())
    write_taxon_list(tmp_path / "again.csv", listed.classes)
    assert read_taxa(tmp_path / "again.csv") == listed.classes


def test_a_short_code_beside_one_of_omnidia_stays_the_short_code(tmp_path: Path) -> None:
    (item,) = read_taxa(flora(tmp_path, "name,code,omnidia\nNavicula gregaria,NG,NGRE\n"))
    assert (item.code, item.omnidia, code_in(item, "omnidia")) == ("NG", "NGRE", "NGRE")


def test_a_project_keeps_what_a_list_says_and_writes_nothing_else(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    before = (project.folder / PROJECT_FILE).read_bytes()
    project.close()
    place = str(tmp_path / "project")
    assert b"sandre" not in before
    assert main(["project", "classes", place, "--import", str(flora(tmp_path))]) == 0
    with Project.open(tmp_path / "project") as again:
        found = {item.name: item for item in again.settings.classes}
        assert (found["Navicula gregaria"].sandre, found["Navicula gregaria"].planktic) == ("7881", "no")
        taxa = ProjectTaxa.of(again.settings)
        assert taxa.taxon("Melosira granulata") == "Aulacoseira granulata"
        text = again.settings.to_text()
        assert (text.count("sandre"), text.count("synonyms"), text.count("omnidia")) == (2, 1, 0)
        again.classes.merge(["Navicula gregaria"], "Navicula")
        assert next(item.nbs for item in again.settings.classes if item.name == "Navicula") == "NA023A"
    other = flora(tmp_path, "name,sandre\nNitzschia palea,8559\n")
    assert main(["project", "classes", place, "--import", str(other)]) == 2
    assert main(["project", "classes", place, "--export", str(tmp_path / "out.csv")]) == 0
    assert {item.name for item in read_taxa(tmp_path / "out.csv")} >= {"Aulacoseira granulata", "Navicula"}


def test_all_that_is_wrong_with_a_list_is_named_at_once(tmp_path: Path) -> None:
    path = flora(
        tmp_path,
        "name,nbs,aphiaid,planktic,synonyms,synonym of\n"
        "A a,N1,12x,no,X x,\nB b,N1,1,perhaps,X x,\nC c,N2,2,,D d,\nD d,,2,,,\nE e,N2,,,,C c\n",
    )
    with pytest.raises(InputError) as caught:
        read_taxa(path)
    for said in ("A a: the AphiaID code is '12x', which is not a number", "B b: planktic is 'perhaps'"):
        assert said in str(caught.value)
    path.write_text(path.read_text().replace("12x", "3").replace("perhaps", "yes"))
    with pytest.raises(InputError) as caught:
        read_taxa(path)
    assert str(caught.value).endswith(
        "A a and B b share the NBS code N1; C c and D d share the AphiaID code 2; "
        "X x is a synonym of A a and of B b; D d is a synonym of C c and a taxon of its own."
    )


def test_a_synonym_may_have_the_code_of_its_taxon() -> None:
    taxa = (ProjectClass(name="A", nbs="1"), ProjectClass(name="B", nbs="1", synonym_of="A"))
    assert code_clashes(taxa) == []
    assert code_clashes((*taxa, ProjectClass(name="C", nbs="1"))) == ["A and C share the NBS code 1"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("navicula gregaria", ["Navicula gregaria"]),
        ("ngre", ["Navicula gregaria"]),
        ("8559", ["Aulacoseira granulata"]),
        ("M. GRANULATA", ["Aulacoseira granulata"]),
        ("Donkin", ["Navicula gregaria"]),
        ("a", ["Aulacoseira granulata", "Navicula gregaria"]),
        ("Fragilaria", []),
        (" ", []),
    ],
)
def test_taxa_are_found_by_whatever_they_are_called(tmp_path: Path, text: str, meant: list[str]) -> None:
    classes = read_taxa(flora(tmp_path))
    assert taxa_meant(classes, text) == meant
    assert not text.strip() or [item.name for item in classes if is_like(item, text)] == meant


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="|;"), max_size=8)
"""What the cells of a list may hold."""


@given(st.lists(st.tuples(words, words, words, words, st.sampled_from(["", "yes", "no"])), min_size=1, max_size=4))
def test_any_list_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]) -> None:
    classes = tuple(
        ProjectClass.model_validate(
            {
                "name": f"Taxon {k}",
                "colour": "#0072b2",
                "nbs": f"{code}{k}" if code else "",
                "sandre": str(k),
                "authors": authors,
                "synonyms": (f"{synonym}{k}",) if synonym else (),
                "growth_form": form,
                "planktic": planktic,
            }
        )
        for k, (code, authors, synonym, form, planktic) in enumerate(rows)
    )
    path = tmp_path_factory.mktemp("list") / "taxa.csv"
    write_taxon_list(path, classes)
    assert read_taxa(path) == classes
