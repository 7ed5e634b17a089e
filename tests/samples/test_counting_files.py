"""What a project keeps of its count: the protocol and the facts of its samples, in two files."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counting import rows
from helpers.projects import box, new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.samples.counting_files import (
    PROTOCOL_OF_PROJECT,
    SAMPLES_OF_PROJECT,
    change_facts,
    facts_of_project,
    keep_facts,
    keep_protocol,
    protocol_of_project,
    take_samples,
)
from napari_diatom.samples.protocol_presets import PRESETS
from napari_diatom.samples.sample_facts import SampleFacts, read_samples, texts_of_facts


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """Return a project of two samples, of two fields each."""
    with new_project(tmp_path, slides=2, fields=2) as project:
        ids = [image.id for image in project.images]
        project.facts.set(ids[:2], sample="R1")
        project.facts.set(ids[2:], sample="R2")
        project.facts.set_pixel_size(ids, 0.5)
        for number, id_ in enumerate(ids):
            project.document(id_).add([box(k) for k in range(number + 1)])
    return project.folder


def test_tally_goes_by_the_protocol_and_the_facts_of_the_project(season: Path, tmp_path: Path) -> None:
    assert {path.name for path in season.iterdir()} & {PROTOCOL_OF_PROJECT, SAMPLES_OF_PROJECT} == set()
    keep_protocol(season, PRESETS["us"]())
    keep_facts(season, {"R1": SampleFacts(code="R1", site="Ouse", date=datetime.date(2026, 5, 31))})
    assert main(["tally", str(season), "-o", str(tmp_path / "own")]) == 0
    first, second = rows(tmp_path / "own" / "samples.csv")
    assert (first["target"], first["site"], first["date"], second["site"]) == ("600", "Ouse", "2026-05-31", "")
    facts = json.loads((tmp_path / "own" / "provenance.json").read_text(encoding="utf-8"))
    assert facts["protocol"]["name"] == "us"
    assert facts["samples"]["file"].endswith(SAMPLES_OF_PROJECT)
    # What is asked for goes before what the project has.
    (tmp_path / "table.csv").write_text("sample,site\nR1,Wye\n", encoding="utf-8")
    more = ["--protocol", "plain", "--samples", str(tmp_path / "table.csv")]
    assert main(["tally", str(season), "-o", str(tmp_path / "given"), *more]) == 0
    first, _ = rows(tmp_path / "given" / "samples.csv")
    assert (first["target"], first["site"]) == ("400", "Wye")


def test_a_table_is_taken_into_a_project_and_its_images_join_their_samples(season: Path, tmp_path: Path) -> None:
    table = tmp_path / "samples.csv"
    table.write_text("sample;site;images;pH\nS1;Ouse;s0f0|s1f*;7,8\nS9;Wye;;\n", encoding="utf-8")
    keep_facts(season, {"R1": SampleFacts(code="R1", substrate="stone")})
    with Project.open(season) as project:
        assert take_samples(project, read_samples(table)) == ["S9"]
        assert [image.sample for image in project.images] == ["S1", "R1", "S1", "S1"]
    known = facts_of_project(season)
    assert [(code, facts.site, facts.images) for code, facts in known.items()] == [
        ("R1", "", ()),
        ("S1", "Ouse", ()),
        ("S9", "Wye", ()),
    ]
    assert known["S1"].other == {"pH": "7,8"}
    assert known["R1"].substrate == "stone"


def test_a_table_that_does_not_fit_changes_nothing(season: Path, tmp_path: Path) -> None:
    table = tmp_path / "samples.csv"
    table.write_text("sample,images\nS1,s0f0\nS2,s0*\nS3,nothing\n", encoding="utf-8")
    with Project.open(season) as project, pytest.raises(InputError, match=r"nothing.*is in S1 and S2"):
        take_samples(project, read_samples(table))
    assert not (season / SAMPLES_OF_PROJECT).exists()


def test_all_that_is_wrong_with_facts_is_said_at_once(season: Path) -> None:
    texts = {"date": "soon", "scraped_area_cm2": "0", "dilution": "ten"}
    with pytest.raises(InputError, match=r"R1.*'ten' is not a number.*'soon' is not a date") as caught:
        change_facts(season, "R1", texts)
    assert "scraped_area_cm2" in str(caught.value)
    assert facts_of_project(season) == {}
    change_facts(season, "R1", {"date": "31/05/2026", "scraped_area_cm2": "12,5", "site": "", "dilution": ""})
    assert facts_of_project(season)["R1"].scraped_area_cm2 == 12.5


def test_damaged_files_are_named(season: Path) -> None:
    (season / PROTOCOL_OF_PROJECT).write_text("unit: cell\n", encoding="utf-8")
    with pytest.raises(InputError, match=PROTOCOL_OF_PROJECT):
        protocol_of_project(season)


words = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=("Zs", "Cc", "Cs", "Cf")), max_size=12
)
amounts = st.none() | st.floats(1e-6, 1e9)


@given(
    st.builds(
        SampleFacts,
        code=words.filter(bool),
        site=words,
        date=st.none() | st.dates(datetime.date(1900, 1, 1)),
        substrate=words,
        scraped_area_cm2=amounts,
        sample_volume_ml=amounts,
        dilution=st.floats(1e-3, 1e6),
        chamber=words,
        alkalinity_mg_l=amounts,
        other=st.dictionaries(st.sampled_from(["pH", "Höhe (m)", "Leg."]), words.filter(bool)),
    )
)
def test_facts_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, facts: SampleFacts) -> None:
    folder = tmp_path_factory.mktemp("facts")
    keep_facts(folder, {facts.code: facts})
    [again] = read_samples(folder / SAMPLES_OF_PROJECT).samples.values()
    assert texts_of_facts(again) == texts_of_facts(facts)
