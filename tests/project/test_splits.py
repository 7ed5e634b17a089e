"""Splits keep slides together and give every part its share of every class; leaks and lists of taxa; the command."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.projects import box, new_project, picture
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import data_leakage, splits, validation
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage, Split
from napari_diatom.project.specimen import to_annotations
from napari_diatom.project.summary import Tally
from napari_diatom.project.taxon_list import read_taxa


def tally(number: int, slide: str, counts: dict[str, int], sample: str = "s") -> Tally:
    image = ProjectImage(
        id=f"i{number}", path=f"{number}.png", sha256="0" * 64, size=1, height=9, width=9, slide=slide, sample=sample
    )
    return Tally(image, "work", {(name, "valve"): n for name, n in counts.items()})


def field(slides: int, per_slide: int = 2, rare: tuple[int, ...] = ()) -> list[Tally]:
    return [
        tally(per_slide * slide + i, f"slide {slide:02d}", {"common": 10, **({"rare": 1} if slide in rare else {})})
        for slide in range(slides)
        for i in range(per_slide)
    ]


@pytest.mark.parametrize("shares", [(70, 15, 15), (80, 10, 10), (60, 20, 20), (75, 25)])
def test_parts_have_their_shares_of_whole_slides(shares):
    tallies = field(20)
    planned = splits.plan(tallies, shares=shares)
    parts = planned.split.parts
    assert [len(groups) for groups in parts.values()] == [round(20 * share / 100) for share in shares]
    assert Counter(group for groups in parts.values() for group in groups) == dict.fromkeys(
        {item.image.slide for item in tallies}, 1
    )
    assert planned.warnings == ()
    assert planned.split.shares == shares


@pytest.mark.parametrize("seed", range(5))
def test_a_class_on_three_slides_reaches_all_three_parts(seed):
    tallies = field(12, rare=(3, 4, 11))
    split = splits.plan(tallies, seed=seed).split
    assert {splits.part_of(split, item.image) for item in tallies if "rare" in item.by_class()} == set(splits.PARTS)


def test_chance_is_seeded():
    tallies = field(15)
    assert splits.plan(tallies, seed=3) == splits.plan(tallies, seed=3)
    assert splits.plan(tallies, seed=3) == splits.plan(tallies[::-1], seed=3)
    assert len({str(splits.plan(tallies, seed=seed).split.parts) for seed in range(5)}) > 1


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 6), st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))), min_size=1))
def test_any_project_can_be_split(rows):
    tallies = [tally(i, f"slide {slide}", counts) for i, (slide, counts) in enumerate(rows)]
    split = splits.plan(tallies).split
    assert all(splits.part_of(split, item.image) for item in tallies)
    slides = {item.image.slide for item in tallies}
    assert sorted(group for groups in split.parts.values() for group in groups) == sorted(slides)
    if len(slides) >= 3:
        assert all(split.parts.values())


def test_folds():
    split = splits.plan(field(10, rare=(0, 5)), folds=5).split
    assert [len(groups) for groups in split.parts.values()] == [2] * 5
    assert (next(iter(split.parts)), split.shares) == ("fold 1", ())
    with pytest.raises(InputError, match="as there are slides"):
        splits.plan(field(3), folds=4)


def test_what_speaks_against_a_split_is_said():
    assert any("one slide" in line for line in splits.plan(field(1)).warnings)
    assert any("2 slides for 3 parts" in line for line in splits.plan(field(2)).warnings)
    planned = splits.plan(field(8, rare=(1, 2)))
    assert [line for line in planned.warnings if "no specimens of rare" in line]
    late = [*field(8), tally(99, "new", {})]
    assert splits.warnings_of(planned.split, late) == ["In no part: slide new."]
    with pytest.raises(InputError, match="no images"):
        splits.plan([])


def test_samples_and_images_without_a_slide():
    tallies = [tally(i, "", {"a": 1}, sample=f"sample {i // 2}") for i in range(8)]
    assert sum(map(len, splits.plan(tallies, "slide").split.parts.values())) == 8
    assert sum(map(len, splits.plan(tallies, "sample").split.parts.values())) == 4


@pytest.mark.parametrize("text", ["70-15", "70-15-15-0", "a-b-c", "", "100-0-0", "50.5-49.5"])
def test_shares_have_to_make_100(text):
    with pytest.raises(InputError, match="add up to 100"):
        splits.shares_of(text)


def test_a_slide_is_in_one_part_only():
    with pytest.raises(ValueError, match="in two parts"):
        Split(parts={"train": ("a",), "test": ("a",)})


def test_leaks(tmp_path):
    with new_project(tmp_path, slides=3, fields=2) as project:
        copied = tmp_path / "images" / "s1" / "copy.png"
        shutil.copy(project.path("s0f0"), copied)
        smaller = tmp_path / "images" / "s2" / "small.jpg"
        with Image.open(project.path("s0f1")) as source:
            bright = np.clip(np.asarray(source.resize((66, 50))) * 0.8 + 20, 0, 255).astype(np.uint8)
        Image.fromarray(bright).save(smaller, quality=85)
        blank = [tmp_path / "images" / slide / "blank.png" for slide in ("s0", "s2")]
        for number, path in enumerate(blank):
            Image.fromarray(np.full((60, 80, 3), 200 + number, dtype=np.uint8)).save(path)
        project.add_images([copied, smaller, *blank])
        project.path("s2f0").unlink()
        split = Split(parts={"train": ("s0",), "validation": ("s1",), "test": ("s2",)})
        found = data_leakage.find_leaks(project.folder, project.images, split)
        assert [(leak.first, leak.second, leak.same_file) for leak in found] == [
            ("s0f0", "copy", True),
            ("s0f1", "small", False),
        ]
        assert (
            data_leakage.find_leaks(
                project.folder, project.images, Split(parts={"all": ("s0", "s1", "s2"), "none": ()})
            )
            == []
        )


def test_fields_of_one_microscope_are_not_taken_for_copies():
    y, x = np.mgrid[:120, :160]
    vignette = 200 - 90 * (np.hypot(x - 80, y - 60) / 100) ** 2
    sketches = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        grey = vignette.copy()
        for _ in range(6):
            cx, cy, turn = rng.uniform(10, 150), rng.uniform(10, 110), rng.uniform(0, np.pi)
            u, v = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn), (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
            grey[(u / 25) ** 2 + (v / 6) ** 2 < 1] -= 60
        sketches.append(data_leakage.of_grey(grey + rng.normal(0, 3, grey.shape)))
    for i, one in enumerate(sketches):
        assert one is not None
        assert not any(one.is_like(other) for other in sketches[:i] if other is not None)


@pytest.mark.parametrize(
    "text",
    [
        "name,code\nNavicula gregaria,NGRE\nNitzschia palea,NPAL\n",
        "Code;Notes;Species\nNGRE;a, b;Navicula gregaria\nNPAL;;Nitzschia palea\n\n",
        "\ufeffspecies\tcode\r\nNavicula gregaria\tNGRE\r\nNitzschia palea \tNPAL\r\nNitzschia palea\tNPAL\r\n",
        "Navicula gregaria\nNitzschia palea\n",
    ],
)
def test_lists_of_taxa(tmp_path, text):
    path = tmp_path / "taxa.csv"
    path.write_text(text, encoding="utf-8", newline="")
    classes = read_taxa(path)
    assert [item.name for item in classes] == ["Navicula gregaria", "Nitzschia palea"]
    assert [item.key for item in classes] == ["1", "2"]
    assert [item.code for item in classes] in (["NGRE", "NPAL"], ["", ""])
    assert len({item.colour for item in classes}) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"name,code\n", "no taxa below"),
        (b"id,code\n1,2\n", "call one 'name' or 'species'. It has 'id', 'code'"),
        (b"name,code\na,X\nb,X\n,Y\na,Z\n", "row 4 has no name; a has the codes 'X' and 'Z'; a and b share the code X"),
    ],
)
def test_bad_lists_of_taxa_are_refused(tmp_path, data, words):
    path = tmp_path / "taxa.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_taxa(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_taxa(tmp_path / "none.csv")


def test_lists_in_the_windows_alphabet(tmp_path):
    path = tmp_path / "taxa.csv"
    path.write_bytes("name\nNavicula krügeri\n".encode("cp1252"))
    assert read_taxa(path)[0].name == "Navicula krügeri"


def test_check_names_what_is_wrong(tmp_path):
    with new_project(tmp_path, slides=2) as project:
        doc = project.document("s0f0")
        doc.add([box(), box(name="unheard of"), box(1).replace(box=(500.0, 20.0, 12.0, 5.0, 0.0))])
        assert project.is_open("s0f0")
        project.document("s1f1").add([box()])
        project.flush()
        found = {(item.kind, item.image) for item in validation.find_problems(project)}
        assert found == {("outside", "s0f0"), ("unknown class", "s0f0")}
        assert project.document("s0f0") is doc
        assert not project.is_open("s0f1")
        project.path("s0f0").unlink()
        picture(project.path("s0f1"), 55)
        project.release("s1f1")
        (project.folder / "annotations" / "s1f1.geojson").write_text("{}")
        project.update(project.settings.replace(split=splits.plan(project.summary(), shares=(50, 50)).split))
        kinds = {(item.kind, item.image): item.is_error for item in validation.find_problems(project)}
        assert kinds.keys() >= {("missing", "s0f0"), ("changed", "s0f1"), ("damaged", "s1f1"), ("split", "")}
        assert not kinds["split", ""]


def test_the_command(tmp_path, capsys):
    for slide in range(4):
        for number in range(2):
            picture(tmp_path / "images" / f"s{slide}" / f"s{slide}f{number}.png", 10 * slide + number)
    (tmp_path / "taxa.csv").write_text("species,code\nNavicula,NAVI\n")
    given_ = to_annotations([box(i) for i in range(5)], "s2f1.png", 60, 80)
    geojson.write(tmp_path / "given.geojson", given_)
    folder = str(tmp_path / "p")
    options = ["--classes", str(tmp_path / "taxa.csv"), "--annotations", str(tmp_path / "given.geojson")]
    assert main(["project", "new", folder, str(tmp_path / "images"), *options]) == 0
    assert "8 images, 1 class, 5 specimens" in capsys.readouterr().out
    assert main(["project", "stats", folder]) == 0
    out = capsys.readouterr().out
    assert "5 of 400" in out
    assert main(["project", "split", folder, "--shares", "50-25-25", "--by", "slide", "--seed", "1"]) == 0
    assert "train" in capsys.readouterr().out
    assert main(["project", "check", folder]) == 0
    out = capsys.readouterr().out
    assert "0 errors, 2 warnings" in out
    (tmp_path / "images" / "s0" / "s0f0.png").unlink()
    assert main(["project", "check", folder]) == 1
    assert "missing" in capsys.readouterr().out
    assert main(["project", "split", folder, "--folds", "9"]) == 2
    assert main(["project", "stats", str(tmp_path)]) == 2
    with Project.open(Path(folder)) as project:
        assert project.settings.split is not None
        assert project.settings.split.shares == (50, 25, 25)
