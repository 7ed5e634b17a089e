"""The notebooks run from top to bottom on the sample slides, and write the pictures and figures that they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from helpers import REPOSITORY
from napari_diatom import load_model

NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))
SECONDS = 400


def copied(name: str, folder: Path, slides: str = "*") -> Path:
    """Copy the examples beside some samples, and return the copy of a notebook."""
    shutil.copytree(REPOSITORY / "examples", folder / "examples", ignore=shutil.ignore_patterns("results"))
    for part in ("slides", "truth"):
        (folder / "sample_data" / part).mkdir(parents=True)
        for path in (REPOSITORY / "sample_data" / part).glob(slides):
            shutil.copy(path, folder / "sample_data" / part)
    return folder / "examples" / f"{name}.ipynb"


def results_of(notebook: Path) -> Path:
    return notebook.parent / "results" / notebook.stem


def run_in_jupyter(notebook: Path) -> Path:
    """Run a notebook as its readers do, and return the folder of its results."""
    folder = notebook.parents[1]
    own = {"JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "IPYTHONDIR": str(folder / "ipython")}
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", f"--timeout={SECONDS}", notebook.name]
    done = subprocess.run(
        command,
        cwd=notebook.parent,
        env=os.environ | own,
        timeout=SECONDS,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return results_of(notebook)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Run the cells of a notebook in this process, whose libraries are loaded; return the folder of its results."""
    before = plt.get_backend()
    plt.switch_backend("agg")

    def run_cells(name: str, slides: str = "*") -> Path:
        notebook = copied(name, tmp_path, slides)
        monkeypatch.chdir(notebook.parent)
        names: dict[str, object] = {"__name__": "__main__"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
        return results_of(notebook)

    yield run_cells
    plt.close("all")
    plt.switch_backend(before)


def looked_at(picture: Path) -> None:
    """Check that a picture holds more than an empty sheet."""
    with Image.open(picture) as image:
        assert min(image.size) >= 300, picture
        assert len(image.convert("RGB").getcolors(image.width * image.height)) > 50, picture


def test_the_count_of_a_folder_writes_tables_and_pictures(run):
    results = run("count_a_folder", "[lrs]*")
    looked_at(results / "overlay.png")
    looked_at(results / "lengths.png")
    specimens, summary = pd.read_csv(results / "specimens.csv"), pd.read_csv(results / "summary.csv", index_col="image")
    assert len(summary) == 4
    assert summary["counted"].sum() == len(specimens)
    assert summary.loc["spring_empty_40x.jpg", "counted"] == 0
    assert summary.loc["stream_crowded_20x.jpg", "counted"] > 80
    assert summary.loc["lake_dic_63x.ome.tif", "median"] > 5
    assert specimens["length_um"].notna().all()
    river = pd.read_csv(results / "river_bright_field_40x" / "specimens.csv")
    assert len(river) == summary.loc["river_bright_field_40x.jpg", "counted"]


def test_the_comparison_of_two_samples_writes_measurements_tests_and_pictures(run):
    results = run("compare_two_samples")
    looked_at(results / "outlines.png")
    looked_at(results / "sizes.png")
    assert pd.read_csv(results / "specimens.csv")["sample"].value_counts().to_dict() == {"bay": 30, "coast": 20}
    tests = pd.read_csv(results / "tests.csv", index_col=0)
    assert tests["p_adjusted"].between(tests["p"], 1).all()
    assert tests.loc["width (µm)", "p_adjusted"] < 0.01
    assert tests.loc["width (µm)", "chance_bay_larger"] > 0.8


def test_other_tools_annotations_come_back_as_the_notebook_says(tmp_path):
    results = run_in_jupyter(copied("other_tools", tmp_path))
    looked_at(results / "formats.png")
    table = pd.read_csv(results / "round_trip.csv", index_col=0)
    assert (table["specimens"] == 26).all()
    assert table["same classes"].all()
    assert table.index[table["pixel size kept"]].to_list() == ["geojson", "coco"]
    assert (table.loc[["geojson", "coco", "cvat", "labelme"], "area off by (%)"] < 0.1).all()
    assert (table.loc[["geojson", "coco", "yolo-obb"], "length off by (µm)"] < 0.01).all()
    assert table.loc["voc", "length off by (µm)"] > 1


def test_a_model_is_trained_tested_and_used(run):
    results = run("train_a_model")
    looked_at(results / "curves.png")
    looked_at(results / "found.png")
    history = pd.read_csv(results / "history.csv", index_col="epoch")
    assert history.index.to_list() == [1, 2, 3, 4]
    assert history[["train_loss", "val_loss", "val_ap50"]].notna().all(axis=None)
    figures = pd.read_csv(results / "test.csv", index_col=0)
    assert figures.loc["recall", "of"] == 26
    assert (figures["value"] > 0.5).all()
    assert (results / "run" / "report" / "report.html").is_file()
    card = load_model(results / "run" / "model").card
    assert (card.name, card.classes) == ("sample-diatoms", ("diatom",))
    used = json.loads((results / "counted" / "run.json").read_text(encoding="utf-8"))
    assert used["model"]["name"] == "sample-diatoms"
    assert len(pd.read_csv(results / "counted" / "specimens.csv")) > 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs_and_say_what_each_cell_does(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert cells[0]["source"][0].startswith("# ")
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", cell["source"]
            assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["source"]
            assert len(cell["source"]) <= 12, cell["source"]
