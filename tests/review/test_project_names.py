"""The names of a project: who teaches whom, and what the window can ask."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from helpers.named_projects import TAXA, give_vectors, mean_of, named_project, unloaded_embedder, valve
from napari_diatom.core.errors import InputError
from napari_diatom.naming.method_choice import choose_methods
from napari_diatom.naming.next_to_name import Reason
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.known_specimens import specimen_key, specimen_place
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.vector_cache import VectorCache, specimen_digest

GREGARIA, LANCEOLATA, PALEA = TAXA


@pytest.fixture
def read(tmp_path: Path) -> tuple[Project, ProjectNames, dict[str, str]]:
    """Return a project of 24 named specimens and six without a name, all with vectors."""
    project, seen_as = named_project(tmp_path)
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    give_vectors(names.specimens.cache, project, seen_as)
    assert names.take_vectors()
    return project, names, seen_as


def unnamed_of(names: ProjectNames, seen_as: dict[str, str], taxon: str) -> str:
    return next(key for key in names.list_keys(without_name=True) if seen_as[specimen_place(key)[1]] == taxon)


def test_specimens_of_the_class_diatom_get_the_names_of_their_like(
    read: tuple[Project, ProjectNames, dict[str, str]],
) -> None:
    _, names, seen_as = read
    unnamed = names.list_keys(without_name=True)
    assert len(unnamed) == 6
    assert len(names.list_keys()) == 30
    names.use(choose_methods(names.named()))
    for suggested in names.suggest(unnamed):
        [first, *_] = suggested.names
        assert first[0] == seen_as[specimen_place(suggested.key)[1]]
        assert first[1] > 0.5
        assert not suggested.is_unlike
        assert suggested.genus is not None
    assert names.counts() == dict.fromkeys(TAXA, 8)
    assert names.choice("valve").asked == 24
    assert names.remarks() == []


def test_what_is_edited_while_a_copy_learns_is_learnt_too(read: tuple[Project, ProjectNames, dict[str, str]]) -> None:
    project, names, seen_as = read
    reading = ProjectNames(project, names.specimens.embedder, names.specimens.cache)
    for image in project.images:
        reading.specimens.take(image, project.contents(image.id))
    twin = reading.copy()
    twin.learn()
    key = unnamed_of(names, seen_as, PALEA)
    image_id, specimen_id = specimen_place(key)
    document = project.document(image_id)
    document.set_class([specimen_id], "Nitzschia sp. 1")
    gone, taxon = next((id_, item.name) for id_, item in document.specimens.items() if item.name in TAXA)
    document.remove([gone])
    reading.take(project.settings.image(image_id), document.contents)
    reading.adopt(twin)
    names.take(project.settings.image(image_id), document.contents)
    assert reading.taxon(key) == "Nitzschia sp. 1"
    assert reading.counts() == names.counts()
    assert reading.counts()[taxon] == 7
    assert sorted(reading.named().keys) == sorted(names.named().keys)
    asked = names.list_keys(without_name=True)
    np.testing.assert_allclose(reading.rank(asked).shares, names.rank(asked).shares, atol=1e-9)


def test_names_are_learnt_and_forgotten_at_once_and_follow_the_project(
    read: tuple[Project, ProjectNames, dict[str, str]],
) -> None:
    project, names, seen_as = read
    key = unnamed_of(names, seen_as, PALEA)
    names.name(key, "Nitzschia sp. 1")
    assert names.taxon(key) == "Nitzschia sp. 1"
    assert "Nitzschia sp. 1" in names.rank([key]).taxa
    image_id, specimen_id = specimen_place(key)
    document = project.document(image_id)
    names.take(project.settings.image(image_id), document.contents)
    assert "Nitzschia sp. 1" not in names.rank([key]).taxa
    for change, named in (
        (lambda: document.set_class([specimen_id], PALEA), PALEA),
        (document.undo, ""),
        (document.redo, PALEA),
        (lambda: document.remove([specimen_id]), ""),
    ):
        change()
        names.take(project.settings.image(image_id), document.contents)
        assert names.taxon(key) == named
        whole = ProjectNames(project, names.specimens.embedder, names.specimens.cache)
        whole.read()
        assert dict(zip(names.named().keys, names.named().taxa, strict=True)) == dict(
            zip(whole.named().keys, whole.named().taxa, strict=True)
        )
    with pytest.raises(InputError, match="does not say"):
        names.name(key, "diatom")
    with pytest.raises(InputError, match="no specimen"):
        names.name(key, PALEA)


def test_views_do_not_teach_one_another_and_models_teach_nobody(tmp_path: Path) -> None:
    project, seen_as = named_project(tmp_path)
    first = project.images[0].id
    document = project.document(first)
    model = valve(100, PALEA, id="by model", origin="model 1")
    document.add([model, valve(101, "diatom", id="girdle", status="girdle")], stamped=True)
    document.propose([valve(102, GREGARIA, id="proposed")], "model 1")
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    seen = seen_as | {"by model": PALEA, "girdle": GREGARIA, "proposed": PALEA}
    give_vectors(names.specimens.cache, project, seen)
    names.take_vectors()
    assert names.taxon(specimen_key(first, "by model")) == ""
    assert specimen_key(first, "by model") in names.list_keys(without_name=True)
    [girdle, by_model, proposed] = names.suggest(
        [specimen_key(first, id_) for id_ in ("girdle", "by model", "proposed")]
    )
    assert girdle.names == ()
    assert by_model.names[0][0] == PALEA
    assert proposed.names[0][0] == PALEA
    assert specimen_key(first, "proposed") not in names.list_keys()
    alike = names.similar([specimen_key(first, "by model")], 40)
    assert specimen_key(first, "proposed") in [key for key, _ in alike[:12]]
    assert specimen_key(first, "proposed") not in dict(
        names.similar([specimen_key(first, "by model")], 40, proposals=False)
    )
    only = names.similar([specimen_key(first, "by model")], 40, without_name=True, proposals=False)
    assert {key for key, _ in only} == set(names.list_keys(without_name=True)) - {specimen_key(first, "by model")}


def test_synonyms_are_joined_and_told_and_a_class_that_is_gone_still_names(tmp_path: Path) -> None:
    project, seen_as = named_project(tmp_path)
    old = "Navicula gregalis"
    project.document(project.images[0].id).add([valve(100, old), valve(101, "Fragilaria sp. 1")])
    classes = project.settings.with_classes([old]).classes
    classes = tuple(item.replace(synonym_of=GREGARIA) if item.name == old else item for item in classes)
    project.update(project.settings.replace(classes=classes, no_taxon=("Nitzschia palea",)))
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    give_vectors(names.specimens.cache, project, seen_as | {"v100": GREGARIA, "v101": "Fragilaria"})
    names.take_vectors()
    assert names.counts() == {GREGARIA: 9, LANCEOLATA: 8, "Fragilaria sp. 1": 1}
    joined, gone = names.remarks()
    assert old in joined
    assert GREGARIA in joined
    assert "Fragilaria sp. 1" in gone
    # What the project says is no taxon has no name, and teaches nobody.
    assert PALEA not in names.named().taxa


def test_groups_the_next_to_name_the_map_and_the_checks(read: tuple[Project, ProjectNames, dict[str, str]]) -> None:
    _, names, seen_as = read
    groups = names.groups(usual_size=2)
    assert [len(group) for group in groups] == [2, 2, 2]
    for group in groups:
        assert len({seen_as[specimen_place(key)[1]] for key in group}) == 1
    for reason in Reason:
        assert set(names.next_to_name(reason, 3)) <= set(names.list_keys(without_name=True))
    keys, where = names.map()
    assert len(keys) == len(where.places) == 30
    wrong = next(key for key in names.examples(PALEA))
    names.name(wrong, LANCEOLATA)
    checks = names.checks()["valve"]
    assert checks.doubtful[0].key == wrong
    assert checks.doubtful[0].offered == PALEA
    assert len({one.key for one in checks.doubtful}) == len(checks.doubtful)
    assert {checks.mixed_up[0].first, checks.mixed_up[0].second} == {LANCEOLATA, PALEA}
    assert [one.named for one in checks.right_so_far] == [8, 9, 7]
    assert checks.curve.examples[0] == 1
    assert len(checks.most_helped()) == 3
    assert len(names.examples(GREGARIA)) == 8
    assert names.examples(GREGARIA, "broken") == []
    assert names.counts("s1")[GREGARIA] == 4


def test_nothing_is_named_yet_or_no_vector_is_known(tmp_path: Path) -> None:
    project, _ = named_project(tmp_path, each=0)
    names = ProjectNames(project, unloaded_embedder())
    assert names.list_keys() == []
    names.read()
    key = names.list_keys()[0]
    assert names.suggest([key])[0].names == ()
    assert names.groups() == []
    assert names.next_to_name(Reason.UNSURE) == []
    assert names.checks() == {}
    names.use(choose_methods(names.named()))
    assert names.map()[0] == []
    with pytest.raises(InputError, match="not known"):
        names.similar([key])
    with pytest.raises(InputError, match="no specimen"):
        names.rank(["nowhere/nothing"])


def test_taxa_that_are_mirror_images_of_each_other_are_told_apart_where_the_list_says_so(tmp_path: Path) -> None:
    left, right = "Gyrosigma sinistrum", "Gyrosigma dextrum"
    project, seen_as = named_project(tmp_path, taxa=(left, right))
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    rng = np.random.default_rng(0)
    pair = np.stack([mean_of(left), mean_of(right)])
    for image in project.images:
        for item in project.contents(image.id).specimens:
            near = (pair if seen_as[item.id] == left else pair[::-1]) + rng.normal(0, 0.05, pair.shape)
            names.specimens.cache.add([specimen_digest(image, item)], near[None].astype(np.float32))
    names.take_vectors()
    unnamed = names.list_keys(without_name=True)
    assert max(one.names[0][1] for one in names.suggest(unnamed)) < 0.99
    classes = tuple(item.replace(handed=item.name in (left, right)) for item in project.settings.classes)
    project.update(project.settings.replace(classes=classes))
    names.read()
    for suggested in names.suggest(unnamed):
        assert suggested.names[0][0] == seen_as[specimen_place(suggested.key)[1]]
        assert suggested.names[0][1] > 0.99


def test_sizes_are_used_where_both_sides_know_them(read: tuple[Project, ProjectNames, dict[str, str]]) -> None:
    _, names, _ = read
    named = names.named()
    known = np.isfinite(named.sizes).all(axis=1)
    assert known.tolist() == [slide == "s0" for slide in named.slides]


def test_a_vector_that_is_not_a_number_teaches_nobody(tmp_path: Path) -> None:
    project, seen_as = named_project(tmp_path)
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    image = project.images[0]
    item = project.contents(image.id).specimens[0]
    hole = np.full((1, 2, 6), np.nan, dtype=np.float32)
    names.specimens.cache.add([specimen_digest(image, item)], hole)
    give_vectors(names.specimens.cache, project, seen_as)
    names.take_vectors()
    assert names.taxon(specimen_key(image.id, item.id)) == GREGARIA
    assert len(names.named()) == 23
    # It is not looked at again, either.
    assert list(names.specimens.work()) == []


def test_vectors_are_wanted_again_for_a_new_outline_or_another_model_and_not_for_another_name(
    read: tuple[Project, ProjectNames, dict[str, str]],
) -> None:
    project, names, _ = read
    image = project.images[0]
    document = project.document(image.id)
    document.set_class(["v0"], PALEA)
    names.take(image, document.contents)
    assert list(names.specimens.work()) == []
    document.reshape({"v0": valve(7, PALEA)})
    names.take(image, document.contents)
    [work] = names.specimens.work()
    assert len(work) == 1
    assert len(names.named()) == 23
    other = ProjectNames(project, unloaded_embedder("cd" * 32))
    other.read()
    assert sum(map(len, other.specimens.work())) == 30


def test_names_that_two_people_change_at_once_are_learnt_as_they_were_merged(
    read: tuple[Project, ProjectNames, dict[str, str]],
) -> None:
    project, names, _ = read
    image = project.images[0]
    mine = project.document(image.id)
    with Project.open(project.folder, "Bo") as theirs:
        theirs.document(image.id).set_class(["v0", "v1"], PALEA)
        theirs.flush()
    mine.set_class(["v2"], LANCEOLATA)
    names.take(image, mine.contents)
    assert names.counts() == {GREGARIA: 7, LANCEOLATA: 9, PALEA: 8}
    mine.rebase()
    names.take(image, mine.contents)
    assert names.counts() == {GREGARIA: 5, LANCEOLATA: 9, PALEA: 10}
    assert len(names.named()) == 24


def test_sizes_of_what_the_edge_cuts_are_not_known(tmp_path: Path) -> None:
    project, _ = named_project(tmp_path)
    image = project.images[0]
    cut = Specimen.rectangle((2.0, 30.0, 20.0, 6.0, 0.0), GREGARIA, id="cut")
    project.document(image.id).add([cut])
    names = ProjectNames(project, unloaded_embedder())
    names.take(image, project.contents(image.id))
    held = names.specimens.image(image.id)
    assert held is not None
    known = np.isfinite(held.arrays.sizes).all(axis=1)
    assert [one.specimen.id for one, is_known in zip(held.listed, known, strict=True) if not is_known] == ["cut"]


def _add(folder: Path, number: int) -> None:
    cache = VectorCache(folder, unloaded_embedder().card)
    for k in range(20):
        cache.add([bytes([number, k] * 8)], np.full((1, 2, 6), number, dtype=np.float32))


def test_two_processes_write_one_cache_and_a_torn_end_costs_only_itself(tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    spawn = multiprocessing.get_context("fork")
    both = [spawn.Process(target=_add, args=(folder, number)) for number in (1, 2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    card = unloaded_embedder().card
    cache = VectorCache(folder, card)
    assert len(cache) == 40
    data = cache.path.read_bytes()
    record = len(data) // 40
    cache.path.write_bytes(data[: -record // 2])
    torn = VectorCache(folder, card)
    assert len(torn) == 39
    torn.add([b"x" * 16], np.full((1, 2, 6), 3, dtype=np.float32))
    assert len(VectorCache(folder, card)) == 40
    damaged = bytearray(cache.path.read_bytes())
    damaged[20] ^= 1
    cache.path.write_bytes(damaged)
    assert len(VectorCache(folder, card)) == 39
    np.testing.assert_array_equal(VectorCache(folder, card).vectors([b"x" * 16, b"y" * 16])[:, 0, 0], [3, np.nan])
