"""Protocols as files and presets, what is enough, and the order of fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diatom.core.errors import InputError
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED
from napari_diatom.samples.protocol import (
    FieldOrder,
    SampleProtocol,
    StopRule,
    is_uncertain,
    read_protocol,
    write_protocol,
)
from napari_diatom.samples.protocol_presets import PRESETS, protocol_of
from napari_diatom.samples.stop_rule import count_progress, ordered_fields


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_from_its_file(tmp_path: Path, name: str) -> None:
    protocol = protocol_of(name)
    write_protocol(tmp_path / "protocol.yaml", protocol)
    assert read_protocol(tmp_path / "protocol.yaml") == protocol
    assert protocol_of(str(tmp_path / "protocol.yaml")) == protocol
    assert protocol.name == name
    assert protocol.weight("broken") == 0


def test_presets_have_the_numbers_of_their_countries() -> None:
    assert {name: PRESETS[name]().target for name in PRESETS} == {
        **dict.fromkeys(("plain", "france", "germany", "uk", "poland"), 400),
        "us": 600,
    }
    assert PRESETS["germany"]().is_apart("Navicula cf. gregaria")
    assert PRESETS["uk"]().target_of == "non_planktic"
    assert tuple(name for name, weight in PRESETS["plain"]().statuses.items() if weight) == DEFAULT_COUNTED


@pytest.mark.parametrize(("unit", "frustule", "valve"), [("object", 1, 1), ("valve", 2, 1), ("frustule", 1, 0.5)])
def test_a_frustule_is_two_valves(unit: str, frustule: float, valve: float) -> None:
    protocol = SampleProtocol.model_validate({"unit": unit})
    assert (protocol.weight("frustule"), protocol.weight("valve")) == (frustule, valve)
    with_fragments = SampleProtocol.model_validate({"unit": unit, "fragments": "centre_present"})
    assert with_fragments.weight("broken") == valve


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("statuses: {valvee: 1}\ntarget: 0", ["unknown status 'valvee'", "target: must be 1 or more"]),
        ("tarjet: 400", ["tarjet: unknown entry (do you mean target?)"]),
        ("statuses: {broken: 1}", ["say which fragments count"]),
        ("fragments: more_than_half\nstatuses: {valve: 1}", ["broken does not count"]),
        ("statuses: {valve: 0}", ["at least one status must count"]),
        ("unit: object\nstatuses: {frustule: 2}", ["choose valve or frustule"]),
        ("edges: left", ["edges: must be"]),
        ("stop: {coverage: 1.5}", ["stop.coverage: must be 1 or less"]),
        ("planktic_taxa: [Aulacoseira, Aulacoseira]", ["Aulacoseira is listed twice"]),
        ("format: 2", ["newer version"]),
        ("- 400", ["not a counting protocol"]),
        ("target: [", ["not a counting protocol"]),
    ],
)
def test_a_protocol_that_is_none_is_refused(tmp_path: Path, text: str, messages: list[str]) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        protocol_of(str(tmp_path / "p.yaml"))
    assert "p.yaml" in str(caught.value)
    for message in messages:
        assert message in str(caught.value)


def test_the_protocol_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "count-a-sample.md"
    text = page.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "protocol.yaml").write_text(text, encoding="utf-8")
    protocol = read_protocol(tmp_path / "protocol.yaml")
    assert (protocol.target, protocol.stop.coverage, protocol.weight("frustule")) == (400, 0.95, 2)


def test_an_unknown_preset_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="france, germany"):
        protocol_of("austria")


@pytest.mark.parametrize("name", ["Navicula cf. gregaria", "Fragilaria sp.", "Nitzschia aff. palea", "Nitzschia sp. 1"])
def test_names_that_are_not_sure_are_told(name: str) -> None:
    assert is_uncertain(name)
    assert not is_uncertain("Navicula gregaria")
    assert not is_uncertain("Cymbella affinis")


def test_planktic_genera_stand_for_their_species() -> None:
    protocol = SampleProtocol(planktic_taxa=("Aulacoseira", "Cyclotella meneghiniana"))
    taxa = ["Aulacoseira granulata", "Cyclotella meneghiniana", "Cyclotella distinguenda"]
    assert [protocol.is_planktic(taxon) for taxon in taxa] == [True, True, False]


def test_a_count_ends_at_its_target_and_by_its_rule() -> None:
    counts = np.array([200, 100, 60, 40])
    short = count_progress(SampleProtocol(target=500), counts, counts, counts)
    assert (short.may_stop, short.missing) == (False, "100 more")
    assert count_progress(SampleProtocol(), counts, counts, counts).may_stop
    # The commonest taxon has half: sqrt(0.5 / (400 x 0.5)) = 0.05. No taxon is rare: the coverage is 1.
    strict = SampleProtocol(stop=StopRule(relative_error=0.049))
    assert count_progress(strict, counts, counts, counts).missing == "a relative error of 0.049"
    either = SampleProtocol(stop=StopRule(relative_error=0.049, coverage=0.99))
    assert count_progress(either, counts, counts, counts).may_stop
    # Frustules of two valves each are worth half as many specimens: the error is larger by sqrt(2).
    found = count_progress(strict, counts, counts // 2, counts * 2)
    assert found.relative_error == pytest.approx(0.05 * 2**0.5)
    nothing = count_progress(SampleProtocol(), [], [], [])
    assert not nothing.may_stop


def test_fields_are_ordered_by_rule() -> None:
    names = [f"f{number}" for number in (10, 2, 1, 3, 4)]
    assert ordered_fields(names, FieldOrder()) == ["f1", "f2", "f3", "f4", "f10"]
    assert ordered_fields(names, FieldOrder(kind="systematic", step=2)) == ["f1", "f3", "f10", "f2", "f4"]
    order = FieldOrder(kind="random", seed=7)
    mixed = ordered_fields(names, order)
    assert sorted(mixed) == sorted(names)
    assert ordered_fields(names[::-1], order) == mixed
    # A field that comes later leaves the order of the others as it was.
    assert [name for name in ordered_fields([*names, "f11"], order) if name != "f11"] == mixed
    assert ordered_fields(names, FieldOrder(kind="random", seed=8)) != mixed
