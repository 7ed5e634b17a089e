"""A model of examples: what is written is read again, and what does not fit together is refused."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from helpers.named_projects import DIMENSIONS, unloaded_embedder
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import load_classifier
from napari_diatom.engines.example_set import ExampleSet, learner_of, read_examples, write_examples
from napari_diatom.models.card import WEIGHTS_FILE, ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.naming.method_choice import Method

TAXA = ("Navicula cf. gregaria", "Navicula gregaria", "N. lanceolata")


def examples(number: int = 36, seed: int = 0) -> ExampleSet:
    rng = np.random.default_rng(seed)
    ids = np.arange(number) % 3
    pairs = rng.normal(0, 2, (3, 2, DIMENSIONS))[ids] + rng.normal(0, 0.3, (number, 2, DIMENSIONS))
    sizes = np.where(rng.random((number, 1)) < 0.5, np.nan, ids[:, None] + rng.normal(0, 0.1, (number, 2)))
    return ExampleSet(
        pairs.astype(np.float32),
        sizes,
        tuple(TAXA[k] for k in ids),
        tuple("girdle view" if k % 12 == 0 else "valve" for k in range(number)),
        tuple(f"s{k % 4}" for k in range(number)),
        genera={"N. lanceolata": "Navicula", "Navicula gregaria": "Navicula"},
        handed=frozenset({"N. lanceolata", "not named"}),
        people=("Ada",),
    )


def of_kind(data: bytes, kind: str, times: int) -> bytes:
    """Return the data of a file whose sizes are said to be other numbers, so many times as many."""
    end = 8 + struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:end])
    rows, columns = head["sizes"]["shape"]
    head["sizes"] |= {"dtype": kind, "shape": [rows, times * columns]}
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data[end:]


def test_what_is_written_is_read_again_and_names_as_what_was_learnt(tmp_path: Path) -> None:
    whole = ExampleSet.joined([examples()])
    model = write_examples(tmp_path / "model", whole, unloaded_embedder().card, "lab", licence="CC0")
    again = read_examples(model)
    np.testing.assert_array_equal(again.pairs, whole.pairs)
    np.testing.assert_array_equal(again.sizes, whole.sizes)
    for name in ("taxa", "groups", "slides", "people"):
        assert getattr(again, name) == getattr(whole, name)
    facts = model.card.examples
    assert facts is not None
    assert facts.genera == {"N. lanceolata": "Navicula"}
    assert facts.handed == ("N. lanceolata",)
    assert facts.groups["girdle view"].right is None
    assert model.card.licence == "CC0"
    shares = learner_of(model).rank(whole.pairs, sizes=whole.sizes, groups=whole.groups).shares
    named = [model.card.classes[k] for k in shares.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(named, whole.taxa, strict=True)]) > 0.9


def test_the_order_of_sources_does_not_matter_and_what_both_have_counts_once(tmp_path: Path) -> None:
    one, other = examples(), examples(24, seed=1)
    card = unloaded_embedder().card
    both = [ExampleSet.joined(sets) for sets in ([one, other], [other, one, one])]
    assert [len(part) for part in both] == [60, 60]
    files = []
    for k, part in enumerate(both):
        write_examples(tmp_path / str(k), part, card, "lab")
        files.append([(tmp_path / str(k) / name).read_bytes() for name in (WEIGHTS_FILE, "model.yaml")])
    assert files[0] == files[1]


def test_names_are_joined_under_accepted_ones_with_what_is_known_of_them() -> None:
    some = examples(6)
    joined = some.called(lambda name: TAXA[1] if name == TAXA[2] else name)
    assert joined.taxa == (TAXA[0], TAXA[1], TAXA[1]) * 2
    assert joined.genera == {TAXA[1]: "Navicula"}
    assert joined.handed == {TAXA[1], "not named"}
    np.testing.assert_array_equal(joined.pairs, some.pairs)


def test_one_example_of_each_taxon_is_enough_to_begin(tmp_path: Path) -> None:
    model = write_examples(tmp_path / "model", examples(3), unloaded_embedder().card, "lab")
    some = read_examples(model)
    ranking = learner_of(model).rank(some.pairs, sizes=some.sizes, groups=some.groups)
    assert [model.card.classes[k] for k in ranking.shares.argmax(axis=1)] == list(some.taxa)
    assert not ranking.unlike.any()
    with pytest.raises(InputError, match="no named specimen"):
        write_examples(tmp_path / "none", ExampleSet.joined([examples(0)]), unloaded_embedder().card, "lab")


def test_files_that_do_not_match_their_card_are_refused(tmp_path: Path) -> None:
    model = write_examples(tmp_path / "model", examples(), unloaded_embedder().card, "lab")
    tensors = load_file(model.weights)
    assert model.card.examples is not None
    for change in (
        {"taxa": tensors["taxa"] + 1},
        {"taxa": tensors["taxa"].astype(np.float32)},
        {"slides": tensors["slides"][:-1]},
        {"pairs": tensors["pairs"][:, :1]},
        {"groups": tensors["groups"] - 1},
        {"taxa": np.array(0, np.int32)},
        {"taxa": tensors["taxa"].reshape(6, 6)},
    ):
        data = save(tensors | change)
        model.weights.write_bytes(data)
        card = model.card.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
        with pytest.raises(ModelError, match="do not match its card"):
            load_classifier(ModelFolder(card, model.folder))
    odd_pairs, odd_sizes = tensors["pairs"].copy(), tensors["sizes"].copy()
    odd_pairs[3], odd_sizes[np.flatnonzero(tensors["is_sized"])[:1]] = np.nan, np.inf
    for data, words in (
        (save({name: value for name, value in tensors.items() if name != "pairs"}), "do not match its card"),
        (save(tensors | {"pairs": odd_pairs}), "of model lab hold values that are infinite or not numbers: learn"),
        (save(tensors | {"sizes": odd_sizes}), "hold values that are infinite or not numbers"),
        (b"nothing", "does not hold examples"),
        (of_kind(save(tensors), "BF16", 4), "does not hold examples"),
        (of_kind(save(tensors), "F8_E4M3", 8), "does not hold examples"),
        (b"\x80\x04cos\nsystem\n(S'false'\ntR.", "does not hold examples"),
    ):
        model.weights.write_bytes(data)
        card = model.card.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
        for door in (load_classifier, read_examples):
            with pytest.raises(ModelError, match=words):
                door(ModelFolder(card, model.folder))
    with pytest.raises(ModelError, match="are damaged or were changed"):
        read_examples(model)
    model.weights.write_bytes(save(tensors))
    groups = {name: facts.model_copy(update={"method": "magic"}) for name, facts in model.card.examples.groups.items()}
    odd = model.card.model_copy(update={"examples": model.card.examples.model_copy(update={"groups": groups})})
    with pytest.raises(ModelError, match="unknown method"):
        learner_of(ModelFolder(odd, model.folder))
    with pytest.raises(ModelError, match="is not installed"):
        load_classifier(ModelFolder(ModelCard.read(model.folder), model.folder))
    entries = model.card.model_dump()
    with pytest.raises(ValueError, match="models of this engine need it"):
        ModelCard.model_validate(entries | {"examples": None})
    with pytest.raises(ValueError, match="gives classes, not semantic"):
        ModelCard.model_validate(entries | {"task": "semantic"})


def test_a_logistic_regression_is_made_again_from_the_examples(tmp_path: Path) -> None:
    model = write_examples(
        tmp_path / "model", replace(examples(), sizes=np.full((36, 2), np.nan)), unloaded_embedder().card, "lab"
    )
    assert model.card.examples is not None
    groups = model.card.examples.groups
    groups = groups | {"valve": groups["valve"].model_copy(update={"method": Method.LOGISTIC.value})}
    card = model.card.model_copy(update={"examples": model.card.examples.model_copy(update={"groups": groups})})
    some = read_examples(model)
    learner = learner_of(ModelFolder(card, model.folder))
    assert learner.choice("valve").logistic is not None
    shares = learner.rank(some.pairs, sizes=some.sizes, groups=some.groups).shares
    assert shares.sum(axis=1) == pytest.approx(1)
