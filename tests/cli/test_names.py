"""``napari-diatom names``: what is learnt from few named specimens names the others, in files that tell how."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_diatom as nd
from helpers.counting import count, results, rows
from helpers.embedders import written
from helpers.valve_pictures import CYCLOTELLA, NAVICULA, NITZSCHIA, TAXA, draw_atlas, draw_field, drawn_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import classifier_net
from napari_diatom.engines.example_set import read_examples
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.project.project import Project
from napari_diatom.project.suggestions import SuggestionLog, answered
from napari_diatom.review.vector_cache import VectorCache


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with models, a project, an atlas, and what was learnt from the project."""
    place = tmp_path_factory.mktemp("names")
    (place / "models").mkdir()
    drawn_project(place).close()
    draw_atlas(place / "atlas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_DIATOM_MODELS", str(place / "models"))
        assert main(["names", "learn", str(place / "project"), "-o", str(place / "lab.diatom-model")]) == 0
    return place


@pytest.fixture(autouse=True)
def _models(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(made / "models"))


def test_what_was_learnt_is_one_file_that_says_whose_it_is(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = library.resolve_model(made / "lab.diatom-model")
    facts = model.card.examples
    assert facts is not None
    assert model.card.name == "lab"
    assert model.card.classes == TAXA
    assert facts.specimens == dict.fromkeys(TAXA, 8)
    assert facts.people == ("Ada",)
    assert facts.slides == ("s0", "s1")
    assert facts.embedder == "diatom-embed"
    assert facts.groups["valve"].right is not None
    assert facts.groups["valve"].right > 0.8
    # The same data give the same bytes, in any order, and what is there twice is there once.
    data = [str(made / "project"), str(made / "project")]
    assert main(["names", "learn", *data, "-o", str(tmp_path / "lab.diatom-model"), "--overwrite"]) == 0
    assert (tmp_path / "lab.diatom-model").read_bytes() == (made / "lab.diatom-model").read_bytes()
    said = capsys.readouterr()
    assert "24 examples of 3 taxa" in said.out
    assert "6 without a name" in said.out
    assert "named rightly (whole slides left out)" in said.out
    # Vectors and numbers are all that it holds.
    size = (made / "lab.diatom-model").stat().st_size
    dimensions = library.resolve_embedder("diatom-embed").card.embedding.dimensions
    assert size < 24 * (2 * dimensions * 4 + 2 * 8 + 13) + 4000
    assert main(["names", "learn", *data, "-o", str(tmp_path / "lab.diatom-model")]) == 2
    assert "there already" in capsys.readouterr().err


def test_a_count_is_named_by_the_file_of_a_laboratory_and_the_same_twice(made: Path, tmp_path: Path) -> None:
    draw_field(tmp_path / "new" / "n.png", [CYCLOTELLA, NAVICULA, NITZSCHIA, NAVICULA, NITZSCHIA], 9)
    for out in ("once", "twice"):
        arguments = [tmp_path / "new", "-o", tmp_path / out, "--namer", made / "lab.diatom-model", "--device", "cpu"]
        assert count(*arguments) == 0
    assert results(tmp_path / "once") == results(tmp_path / "twice")
    found = sorted(rows(tmp_path / "once" / "specimens.csv"), key=lambda row: float(row["x_px"]))
    assert len(found) == 5
    guesses = [row["taxon_2"] if row["taxon"] == "unknown" else row["taxon"] for row in found]
    assert guesses == [CYCLOTELLA, NAVICULA, NITZSCHIA, NAVICULA, NITZSCHIA]
    assert {row["named_by"] for row in found} == {"lab 1"}
    assert all(0 < float(row["taxon_confidence"]) <= 1 for row in found)


def test_examples_are_compared_with_a_trained_classifier(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    architecture = "classifier/test_efficientnet/64"
    facts = {
        "name": "namer",
        "version": "1.0",
        "task": "classes",
        "engine": "classifier",
        "architecture": architecture,
        "classes": TAXA,
        "tile_size": 64,
        "mean": (0.5,) * 3,
        "std": (0.2,) * 3,
    }
    torch.manual_seed(0)
    write_model(tmp_path / "namer", classifier_net.build(architecture, 3), ModelFacts.model_validate(facts))
    data = [str(made / "lab.diatom-model"), str(made / "project"), "-o", str(tmp_path / "report")]
    assert main(["evaluate", *data, "--compare", str(tmp_path / "namer")]) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said.lower()
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "lab 1" in page
    assert "namer 1.0" in page


def test_names_are_suggested_and_nothing_is_computed_twice(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "suggested.csv"
    assert main(["names", "suggest", str(made / "project"), "-o", str(out)]) == 0
    found = rows(out)
    assert [(row["image"], row["specimen"]) for row in found] == [
        (image, f"v{k}") for image in ("s0f0", "s1f0") for k in (12, 13, 14)
    ]
    assert [row["suggestion_1"] for row in found] == list(TAXA) * 2
    assert "6 specimens without a name" in capsys.readouterr().out
    cache = VectorCache.of_project(made / "project", library.resolve_embedder("diatom-embed").card)
    before = cache.path.stat()
    frame = nd.suggest_names(made / "project", examples=made / "lab.diatom-model")
    assert frame["suggestion_1"].tolist() == list(TAXA) * 2
    assert frame["share_1"].dtype == np.float64
    assert frame["unlike"].dtype == bool
    assert cache.path.stat() == before


def test_a_wrong_name_is_found_and_shown(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made / "project", tmp_path / "project")
    shutil.copytree(made / "images", tmp_path / "images")
    with Project.open(tmp_path / "project", "Bo") as project:
        project.document("s0f0").set_class(["v1"], NITZSCHIA)
        log = SuggestionLog(project.folder)
        log.append([answered("s0f0", "v1", NITZSCHIA, [(NAVICULA, 0.9), (NITZSCHIA, 0.1)], "diatom-embed 0", "Bo")])
    out = tmp_path / "checked"
    assert main(["names", "check", str(tmp_path / "project"), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "24 named specimens" in said
    assert "First suggestion taken unchanged: Bo 0 % of 1." in said
    first = rows(out / "doubtful.csv")[0]
    assert (first["image"], first["specimen"], first["taxon"], first["offered"]) == ("s0f0", "v1", NITZSCHIA, NAVICULA)
    assert rows(out / "mixed_up.csv")[0]["first"] == NAVICULA
    assert [row["named"] for row in rows(out / "taxa.csv")] == ["8", "7", "9"]
    assert rows(out / "learning_curve.csv")[0]["examples"] == "1"
    taken = {row["by"]: row for row in rows(out / "suggestions.csv")}
    assert taken["annotator"]["name"] == "Bo"
    assert (taken["taxon"]["first"], taken["taxon"]["first_three"]) == ("0", "1")
    page = (out / "names.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 1
    assert f"{NITZSCHIA}: perhaps {NAVICULA}" in page
    with pytest.raises(InputError, match="already holds"):
        nd.check_names(tmp_path / "project", out)
    assert nd.check_names(tmp_path / "project", out, pictures=0, overwrite=True) == out
    assert "data:image" not in (out / "names.html").read_text(encoding="utf-8")


def test_an_atlas_and_annotations_of_another_program_are_learnt_from_too(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(made / "project"), str(tmp_path / "labels.json"), "--to", "coco"]) == 0
    images = tmp_path / "images"
    images.mkdir()
    for path in (made / "images").rglob("*.png"):
        shutil.copy(path, images)
    (tmp_path / "taxa.csv").write_text(f"name,synonym of\n{NITZSCHIA},Nitzschia minuta\n")
    out = tmp_path / "both.diatom-model"
    data = [str(made / "atlas"), str(tmp_path / "labels.json")]
    assert main(["names", "learn", data[0], "-o", str(tmp_path / "atlas.diatom-model")]) == 0
    with_images = ["--images", str(images), "--taxa", str(tmp_path / "taxa.csv")]
    assert main(["names", "learn", data[1], *with_images, "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "atlas of 3 taxa" in said.out
    assert "9 examples of 3 taxa" in said.out
    facts = library.resolve_model(out).card.examples
    assert facts is not None
    assert facts.specimens == {CYCLOTELLA: 8, NAVICULA: 8, "Nitzschia minuta": 8}
    atlas = read_examples(library.resolve_model(tmp_path / "atlas.diatom-model"))
    assert set(atlas.slides) == {"atlas"}
    # Nothing says how large a pixel of these pictures is, and sizes are used where all of a specimen's are known.
    assert np.isnan(atlas.sizes[:, 0]).all()
    assert main(["names", "suggest", str(made / "project"), "--examples", str(tmp_path / "atlas.diatom-model")]) == 0


def test_synonyms_of_one_list_are_joined_in_all_sources_and_shown(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "project", tmp_path / "project")
    (tmp_path / "taxa.csv").write_text(f"name,synonym of\n{NITZSCHIA},Nitzschia minuta\n")
    learn = ["names", "learn", str(made / "project"), str(made / "atlas"), "--taxa", str(tmp_path / "taxa.csv")]
    assert main([*learn, "-o", str(tmp_path / "both.diatom-model")]) == 0
    joined = f"{NITZSCHIA} is learnt as Nitzschia minuta, of which it is a synonym."
    assert capsys.readouterr().err.count(joined) == 1
    facts = library.resolve_model(tmp_path / "both.diatom-model").card.examples
    assert facts is not None
    assert facts.specimens == {CYCLOTELLA: 11, NAVICULA: 11, "Nitzschia minuta": 11}
    # The list of a project joins the names of another laboratory.
    with Project.open(tmp_path / "project", "Ada") as project:
        classes = project.settings.classes
        listed = tuple(one.replace(synonym_of=CYCLOTELLA) if one.name == NITZSCHIA else one for one in classes)
        project.update(project.settings.replace(classes=listed))
    suggest = ["names", "suggest", str(tmp_path / "project"), "--examples", str(made / "lab.diatom-model")]
    assert main([*suggest, "-o", str(tmp_path / "suggested.csv")]) == 0
    assert f"{NITZSCHIA} is learnt as {CYCLOTELLA}" in capsys.readouterr().err
    names = {row[f"suggestion_{k}"] for row in rows(tmp_path / "suggested.csv") for k in (1, 2, 3)}
    assert names == {CYCLOTELLA, NAVICULA, ""}


def test_an_atlas_may_hold_other_things_which_are_named(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(made / "atlas", atlas)
    (atlas / "README.txt").write_text("of the drawer")
    first = atlas / NAVICULA.replace(" ", "_")
    (first / "Thumbs.db").write_bytes(b"\0")
    (first / "notes.txt").write_text("good ones")
    (first / "broken.png").write_bytes(b"not a picture")
    for name in ("diatom", "navicula  gregaria", '=2+3; "Ä" 硅藻', "Genus/species", "empty"):
        (atlas / name).mkdir(parents=True)
        if name != "empty":
            shutil.copy(first / "0.png", atlas / name)
    out = tmp_path / "atlas.diatom-model"
    assert main(["names", "learn", str(atlas), "-o", str(out)]) == 0
    said = capsys.readouterr()
    facts = library.resolve_model(out).card.examples
    assert facts is not None
    assert facts.specimens == dict.fromkeys(TAXA, 3) | {'=2+3; "Ä" 硅藻': 1, "navicula gregaria": 1}
    for told in (
        "1 folder that says no taxon was passed over",
        "1 folder within those of the taxa was passed over",
        "2 files that cannot be read as pictures were passed over",
        "broken.png is not an image",
        "'Navicula gregaria', 'navicula gregaria' differ in capitals or spaces only",
        '=2+3; "Ä" 硅藻, navicula gregaria have fewer than 3 examples',
    ):
        assert told in said.err
    # Pictures with annotations beside them are no atlas: each may show many specimens.
    (first / "1.txt").write_text("0 0.5 0.5 0.1 0.1")
    for data in (atlas, made / "images" / "s0", made / "lab.diatom-model"):
        assert main(["names", "learn", str(data), "-o", str(tmp_path / "none.diatom-model")]) == 2
        assert "not annotations of one known format, and not an atlas" in capsys.readouterr().err


def test_what_cannot_be_used_says_what_to_do(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = written(tmp_path / "models" / "other", seed=1, name="other")
    arguments = ["names", "suggest", str(made / "project"), "--embedder", str(other.folder)]
    assert main([*arguments, "--examples", str(made / "lab.diatom-model")]) == 2
    assert "use the same embedder" in capsys.readouterr().err
    # Where the pictures are at hand, vectors of another embedder are computed.
    learn = ["names", "learn", str(made / "project"), "--embedder", str(other.folder)]
    assert main([*learn, "-o", str(tmp_path / "other.diatom-model")]) == 0
    with pytest.raises(ModelError, match=r"is not installed\..* models import"):
        nd.load_model("diatom-obb", namer=tmp_path / "other.diatom-model", device="cpu")
    [valve] = draw_field(tmp_path / "empty" / "a" / "f.png", [NAVICULA], 0)
    with Project.create(tmp_path / "nameless", [tmp_path / "empty" / "a" / "f.png"], ["diatom"]) as project:
        project.document("f").add([valve.replace(name="diatom")])
    for arguments, told in (
        (["learn", tmp_path / "nameless", "-o", tmp_path / "x.diatom-model"], "no specimen is named"),
        (["learn", tmp_path / "nameless", "-o", tmp_path / "x.zip"], "end with .diatom-model"),
        (["suggest", tmp_path / "nameless"], "name some specimens first"),
        (["check", tmp_path / "nameless", "-o", tmp_path / "y"], "nothing to check"),
        (["check", made / "project", "-o", tmp_path / "y", "--pictures", "-1"], "0 or more"),
        (
            ["learn", made / "project", "-o", tmp_path / "x.diatom-model", "--embedder", "diatom-obb"],
            "does not compare",
        ),
        (["suggest", made / "project", "--examples", "diatom-obb"], "holds no examples"),
    ):
        assert main(["names", *map(str, arguments)]) == 2
        assert told in capsys.readouterr().err
