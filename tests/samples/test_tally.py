"""Counts by sample and taxon follow the protocol, and each is traced to its specimens."""

from __future__ import annotations

import time

import numpy as np
import pytest

from helpers.sampled import HEIGHT, MIDDLE, WIDTH, of, table
from napari_diatom.core.detections import STATUSES
from napari_diatom.samples.protocol import FieldOrder, SampleProtocol
from napari_diatom.samples.protocol_presets import protocol_of
from napari_diatom.samples.tallied_specimens import CountedField, TalliedSpecimens
from napari_diatom.samples.tally import BY_EDGE, BY_NAME, BY_STATUS, COUNTED, tally_specimens


def test_a_count_is_traced_to_its_specimens() -> None:
    found = table(
        {
            "a1": ("A", [*of("Navicula", 2), *of("Nitzschia", 1)]),
            "b1": ("B", of("Navicula", 3)),
            "a2": ("A", [*of("Navicula", 1), *of("Navicula", 1, "broken")]),
        }
    )
    counted = tally_specimens(found, protocol_of("plain"))
    assert counted.samples == ("A", "B")
    assert counted.taxa == ("Navicula", "Nitzschia")
    assert counted.units.tolist() == [[3, 1], [3, 0]]
    assert counted.keys_of("A", "Navicula") == ["a1/1", "a1/2", "a2/1"]
    assert counted.by_reason[0, 0].tolist() == [3, 1, 0, 0]
    joined = tally_specimens(found, protocol_of("plain"), {"b1": "A"})
    assert joined.units.tolist() == [[6, 1]]


@pytest.mark.parametrize(("unit", "count"), [("object", 6), ("valve", 8), ("frustule", 4)])
def test_frustules_count_by_the_unit(unit: str, count: float) -> None:
    found = table({"a1": ("A", [*of("Navicula", 4), *of("Navicula", 2, "frustule")])})
    counted = tally_specimens(found, SampleProtocol.model_validate({"unit": unit}))
    assert counted.units.tolist() == [[count]]
    assert counted.numbers.tolist() == [[6]]


EDGES = {
    "left": (20, 400),
    "top": (500, 5),
    "right": (WIDTH - 20, 400),
    "bottom": (500, HEIGHT - 5),
    "top and right": (WIDTH - 20, 5),
    "bottom and left": (20, HEIGHT - 5),
    "bottom and right": (WIDTH - 20, HEIGHT - 5),
    "none": MIDDLE,
}


@pytest.mark.parametrize(
    ("rule", "counted"),
    [("all", list(EDGES)), ("none", ["none"]), ("not_top_left", ["right", "bottom", "bottom and right", "none"])],
)
def test_specimens_across_top_and_left_are_of_the_next_field(rule: str, counted: list[str]) -> None:
    found = table({"a1": ("A", [("Navicula", "valve", place) for place in EDGES.values()])})
    tally = tally_specimens(found, SampleProtocol.model_validate({"edges": rule}))
    assert [name for name, reason in zip(EDGES, tally.reasons, strict=True) if reason == COUNTED] == counted


def test_a_cut_specimen_whose_box_ends_before_the_edge_is_cut_by_the_nearest() -> None:
    found = table({"a1": ("A", [("Navicula", "valve", (500.0, 400.0))])})
    assert found.edges.tolist() == [0]
    near_bottom = table({"a1": ("A", [("Navicula", "valve", (500.0, HEIGHT - 10.0))])})
    tally = tally_specimens(near_bottom, SampleProtocol(edges="not_top_left"))
    assert tally.reasons.tolist() == [COUNTED]


def test_reasons_say_why_a_specimen_does_not_count() -> None:
    given = [*of("Navicula cf. gregaria", 1), *of("Navicula", 1, "broken"), ("Navicula", "valve", (20.0, 400.0))]
    tally = tally_specimens(table({"a1": ("A", given)}), protocol_of("germany"))
    assert tally.reasons.tolist() == [BY_NAME, BY_STATUS, BY_EDGE]
    assert not tally.units.any()


def test_planktic_taxa_stand_apart() -> None:
    found = table({"a1": ("A", [*of("Aulacoseira granulata", 30), *of("Navicula", 50), *of("Nitzschia", 50)])})
    uk = protocol_of("uk").model_copy(update={"planktic_taxa": ("Aulacoseira",), "target": 100})
    tally = tally_specimens(found, uk)
    assert tally.is_shared.tolist() == [False, True, True]
    progress = tally.progress("A")
    assert (progress.counted, progress.may_stop) == (100, True)
    assert progress.relative_error == pytest.approx(0.1)
    assert tally_specimens(found, uk.model_copy(update={"target_of": "all"})).progress("A").counted == 130


def test_the_target_is_reached_after_so_many_fields() -> None:
    found = table({f"a{k}": ("A", of("Navicula", k)) for k in (1, 2, 3, 10)})
    protocol = SampleProtocol(target=6)
    assert tally_specimens(found, protocol).fields_to_target("A") == 3
    assert tally_specimens(found, SampleProtocol(target=17)).fields_to_target("A") is None
    every_other = protocol.model_copy(update={"field_order": FieldOrder(kind="systematic", step=3)})
    # a1, a10 before a2 and a3.
    assert tally_specimens(found, every_other).fields_to_target("A") == 2


def test_nothing_found_is_a_count_of_nothing() -> None:
    tally = tally_specimens(table({"a1": ("A", [])}), protocol_of("uk"))
    assert tally.units.shape == (1, 0)
    assert not tally.progress("A").may_stop
    assert tally_specimens(table({}), protocol_of("plain")).samples == ()


def test_a_hundred_thousand_specimens_are_counted_at_once() -> None:
    n, fields, random = 100_000, 480, np.random.default_rng(1)
    big = TalliedSpecimens(
        tuple(CountedField(f"f{k}", f"s{k // 40}", 100, 100) for k in range(fields)),
        tuple(f"Navicula species{k}" for k in range(200)),
        tuple(map(str, range(n))),
        np.sort(random.integers(0, fields, n)),
        random.integers(0, 200, n),
        random.integers(0, len(STATUSES), n),
        random.integers(0, 16, n).astype(np.uint8),
        np.full((n, 2), 10.0),
        ("person",) * n,
        np.zeros((n, 5)),
        ("person",),
        np.zeros(n, np.intp),
        np.ones(n, np.bool_),
        np.full(n, 14.0),
        ("",) * n,
    )
    began = time.process_time()
    tally = tally_specimens(big, protocol_of("france"))
    progress = [tally.progress(sample) for sample in tally.samples]
    assert time.process_time() - began < 1
    assert sum(each.counted for each in progress) == (tally.reasons == COUNTED).sum()
