"""The live count of a project equals the tally of its specimens, whatever the protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.projects import new_project
from napari_diatom.core.cut_edges import BOTTOM, LEFT, TOP
from napari_diatom.core.detections import STATUSES, CroppedMask
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectClass, ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.summary import Tally, of_document, of_files
from napari_diatom.samples.live_tally import LiveTally
from napari_diatom.samples.protocol import FieldOrder, SampleProtocol, StopRule
from napari_diatom.samples.specimen_sources import read_source
from napari_diatom.samples.tallied_specimens import CountedField, FoundSpecimen, TalliedSpecimens
from napari_diatom.samples.tally import SampleTally, tally_specimens
from napari_diatom.samples.tally_taxa import TallyTaxa
from napari_diatom.samples.taxon_counts import taxon_counts

TAXA = ("Navicula gregaria", "Navicula cf. gregaria", "Aulacoseira", "Nitzschia sp.")
WIDTH, HEIGHT = 80, 60

specimens = st.builds(
    lambda x, y, length, width, angle, name, status: Specimen.rectangle(
        (x, y, length, width, angle), name, status=status
    ),
    st.floats(-5, WIDTH + 5, width=32),
    st.floats(-5, HEIGHT + 5, width=32),
    st.floats(2, 40, width=32),
    st.floats(2, 40, width=32),
    st.floats(-2, 2, width=32),
    st.sampled_from(TAXA),
    st.sampled_from(STATUSES),
)
fields = st.lists(st.tuples(st.sampled_from(["", "R1", "R2"]), st.lists(specimens, max_size=8)), min_size=1, max_size=5)
protocols = st.builds(
    lambda unit, edges, names, planktic, apart, of, order: SampleProtocol(
        unit=unit,
        edges=edges,
        uncertain_names=names,
        planktic_taxa=planktic,
        planktic_apart=apart,
        target=3,
        target_of=of,
        stop=StopRule(coverage=0.9),
        field_order=order,
    ),
    st.sampled_from(["object", "valve", "frustule"]),
    st.sampled_from(["all", "none", "not_top_left"]),
    st.sampled_from(["counted", "apart"]),
    st.sampled_from([(), ("Aulacoseira",)]),
    st.booleans(),
    st.sampled_from(["all", "non_planktic"]),
    st.sampled_from([FieldOrder(), FieldOrder(kind="systematic"), FieldOrder(kind="random", seed=3)]),
)


_CLASSES = [
    ProjectClass(name="Navicula gregaria", colour="#0072b2", planktic="no"),
    ProjectClass(name="Nitzschia sp.", colour="#0072b2", synonym_of="Navicula gregaria"),
    ProjectClass(name="Aulacoseira", colour="#0072b2", planktic="yes"),
]
taxon_lists = st.sampled_from([TallyTaxa(), TallyTaxa.of(_CLASSES), TallyTaxa.of(_CLASSES[:2])])


def image(number: int, sample: str) -> ProjectImage:
    size = {"size": 1, "height": HEIGHT, "width": WIDTH}
    return ProjectImage(id=f"field {number}", path="f.png", sha256="0" * 64, sample=sample, **size)


def tallied(given_fields: list[tuple[str, list[Specimen]]], protocol: SampleProtocol, taxa: TallyTaxa) -> SampleTally:
    """Return what ``napari-diatom tally`` counts, specimen by specimen."""
    listed, found = [], []
    for number, (sample, items) in enumerate(given_fields):
        listed.append(CountedField(f"field {number}", sample or "sample", WIDTH, HEIGHT))
        found.append(
            [
                FoundSpecimen(f"{number}/{k}", item.name, item.status, item.box, None, (1.0, 1.0), "Ada")
                for k, item in enumerate(items)
            ]
        )
    specimens = TalliedSpecimens.of(listed, found)
    return tally_specimens(specimens.called(taxa.merged(specimens.taxa)), protocol, planktic=taxa.planktic)


def assert_alike(live: LiveTally, tally: SampleTally) -> None:
    assert live.samples == tally.samples
    for s, sample in enumerate(tally.samples):
        counted = live.counted(sample)
        assert repr(list(taxon_counts(counted, sample))) == repr(list(taxon_counts(tally, sample)))
        assert str(counted.progress(sample)) == str(tally.progress(sample))
        names = [tally.specimens.fields[k].name for k in tally.fields_of(sample)]
        assert [field.image.id for field in counted.fields] == names
        assert counted.fields_to_target == tally.fields_to_target(sample)
        assert sum(field.specimens for field in counted.fields) == tally.numbers[s].sum()
        np.testing.assert_allclose(sum(field.units for field in counted.fields), tally.units[s].sum())


@settings(max_examples=60)
@given(fields, fields, protocols, protocols, taxon_lists)
def test_a_live_count_is_that_of_the_specimens(before, after, protocol, other, taxa):
    live = LiveTally(protocol, taxa)
    documents = {}
    for number, (sample, items) in enumerate(before):
        documents[number] = image(number, sample), Document(Contents(specimens=tuple(items)))
    live.note(of_document(*pair) for pair in documents.values())
    assert_alike(live, tallied(before, protocol, taxa))
    # Some fields change, and the rules do.
    changed = list(before)
    for number, (_, items) in enumerate(after[: len(before)]):
        place, document = documents[number]
        document.remove(list(document.specimens))
        document.add(items)
        changed[number] = before[number][0], items
        live.note([of_document(place, document)])
    live.protocol = other
    assert_alike(live, tallied(changed, other, taxa))


def test_what_the_files_say_is_counted_as_what_is_open_and_as_tally_reads_it(tmp_path: Path) -> None:
    outline = np.array([[2.0, 10], [30, 2], [34, 12], [6, 20]])
    with new_project(tmp_path, slides=2, fields=2) as project:
        rng = np.random.default_rng(0)
        for number, place in enumerate(project.images):
            document = project.document(place.id)
            boxes = rng.uniform((0, 0, 5, 5, -1.5), (WIDTH, HEIGHT, 30, 20, 1.5), (30, 5)).tolist()
            document.add([Specimen.rectangle(box, TAXA[k % 4], status=STATUSES[k % 6]) for k, box in enumerate(boxes)])
            document.add([Specimen.polygon(((outline + np.array([d, number]),),), TAXA[0]) for d in (-4, 0, 20, 47)])
        project.flush()
        for place in project.images:
            there, read = of_document(place, project.document(place.id)), of_files(project.folder, place)
            assert (there.counts, there.cut) == (read.counts, read.cut)
            assert there.cut
    protocol = SampleProtocol(unit="valve", edges="not_top_left")
    # Counted from the cache beside the project, which says what the edges cut.
    with Project.open(project.folder) as again:
        live = LiveTally(protocol)
        live.note(again.summary())
    assert_alike(live, tally_specimens(read_source(project.folder).specimens, protocol))


@pytest.mark.parametrize(
    ("item", "edges"),
    [
        # Networks place the end of a box so well.
        (Specimen.rectangle((15.9, 30, 30, 8, 0), TAXA[0]), LEFT),
        (Specimen.rectangle((16.1, 30, 30, 8, 0), TAXA[0]), 0),
        # A corner of the box lies outside, and nothing of the valve.
        (Specimen.rectangle((30, 12, 40, 10, 0.5), TAXA[0]), TOP),
        (Specimen.polygon(((np.array([[13.0, 3], [30, 7], [47, 21], [30, 17]]),),), TAXA[0], (30, 12, 40, 10, 0.5)), 0),
        (
            Specimen.polygon(((np.array([[13.0, 1], [30, 7], [47, 21], [30, 17]]),),), TAXA[0], (30, 12, 40, 10, 0.5)),
            TOP,
        ),
        (Specimen.of_mask(CroppedMask(np.ones((8, 30), dtype=bool), 40, 52), TAXA[0]), BOTTOM),
    ],
)
def test_an_edge_cuts_what_reaches_it_with_its_outline_or_else_its_box(
    tmp_path: Path, item: Specimen, edges: int
) -> None:
    with new_project(tmp_path, fields=1) as project:
        place = project.images[0]
        document = project.document(place.id)
        document.add([item])
        project.flush()
        expected = {(TAXA[0], "valve", edges): 1} if edges else {}
        assert of_document(place, document).cut == expected
        assert of_files(project.folder, place).cut == expected
    assert read_source(project.folder).specimens.edges.tolist() == [edges]


def test_a_cache_of_an_earlier_version_is_counted_anew(tmp_path: Path) -> None:
    with new_project(tmp_path, fields=1) as project:
        project.document(project.images[0].id).add([Specimen.rectangle((2, 30, 20, 5, 0), "Navicula")])
    cache = project.folder / ".project" / "summary.json"
    text = cache.read_text(encoding="utf-8")
    assert '[["Navicula", "valve", 1]], [["Navicula", "valve", 1, 1]]]' in text
    cache.write_text(text.replace(', [["Navicula", "valve", 1, 1]]]', "]"), encoding="utf-8")
    with Project.open(project.folder) as again:
        [tally] = again.summary()
    assert tally.cut == {("Navicula", "valve", 1): 1}


def test_a_status_that_no_specimen_can_have_is_not_counted() -> None:
    live = LiveTally(SampleProtocol())
    counts = {("Navicula", "valve"): 2, ("Navicula", "squashed"): 3}
    live.note([Tally(image(0, "R1"), "work", counts, 0, {("Navicula", "girdle", 1): 4})])
    [row] = taxon_counts(live.counted("R1"), "R1")
    assert (row.specimens, row.units) == (6, 6.0)


def test_the_next_field_is_the_first_that_is_not_done(tmp_path: Path) -> None:
    live = LiveTally(SampleProtocol())
    states = ["done", "work", "untouched", "done", "machine"]
    for number, state in enumerate(states):
        document = Document(Contents(state=state))
        live.note([of_document(image(number, "R1"), document)])
    counted = live.counted("R1")
    assert counted.next_field() == "field 1"
    assert counted.next_field("field 3") == "field 1"
    # A person who leaves a field undone wants the one behind it.
    assert counted.next_field("field 1") == "field 2"
    assert counted.next_field("field 4") == "field 1"
