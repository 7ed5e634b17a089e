"""Napari or its docks are closed at work: they end at once, nothing goes on without them, what was done is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from diatom_training.finetune.run_folder import RunFolder
from helpers import TESTS
from helpers import hand as hands
from helpers.counting import save
from helpers.projects import box
from helpers.tiny import draw_slides
from napari_diatom.counting.earlier_run import EarlierRun, is_finished
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.registry import by_name
from napari_diatom.models import library
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

SLIDE = TESTS.parent / "sample_data" / "slides" / "stream_crowded_20x.jpg"
MANY = 8000
AT_ONCE = 60.0
"""Seconds in which a window that was closed has to be gone. On an idle machine it takes a few."""
MAIN = "from helpers.closing_napari import main; main(*sys.argv[1:])"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with all that docks may work on."""
    shutil.copy(SLIDE, tmp_path / "slide.jpg")
    for number in range(30):
        save(tmp_path / "river" / f"field{number:02}.png", 2, number)
    draw_slides(tmp_path)
    images = sorted((tmp_path / "images").glob("*.png"))
    Project.create(tmp_path / "project", images, ["Navicula"], "Ada").close()
    many = [box(n, id=f"n{n}") for n in range(MANY)]
    by_name("coco").write(tmp_path / "many.json", [to_annotations(many, images[0].name, 96, 120)])
    shutil.make_archive(str(tmp_path / "theirs"), "zip", library.resolve_model("diatom-obb").folder)
    (tmp_path / "theirs.zip").rename(tmp_path / "theirs.diatom-model")
    (tmp_path / "temporary").mkdir()
    return tmp_path


def close_during(desk: Path, *tasks: str) -> None:
    """Begin tasks in napari and close it; check that it and all its processes end at once, and leave no litter."""
    program = [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(TESTS), *sys.path]!r}\n{MAIN}", str(desk)]
    own = {"NAPARI_CONFIG": "settings.yaml", "NAPARI_DIATOM_MODELS": "models", "TMPDIR": "temporary"}
    places = {name: str(desk / place) for name, place in own.items()}
    process = subprocess.Popen(
        [*program, *tasks], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | places
    )
    window = psutil.Process(process.pid)
    closed, children, said = 0.0, [], []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line.split()[0])
            if line.startswith("children"):
                closed = time.monotonic()
                children = [psutil.Process(int(pid)) for pid in line.split()[1:] if psutil.pid_exists(int(pid))]
        _, wrong = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            for left in (*window.children(recursive=True), window):
                left.kill()
    assert said == [*["begun"] * len(tasks), "children", "end"], wrong[-3000:]
    assert process.returncode == 0, wrong[-3000:]
    assert "Traceback" not in wrong
    assert "QThread" not in wrong
    _, orphans = psutil.wait_procs(children, timeout=AT_ONCE)
    assert not orphans
    assert time.monotonic() - closed < AT_ONCE
    assert list((desk / "temporary").glob("napari-diatom-*")) == []
    assert list(desk.rglob("*.part")) == []


def test_a_training_and_a_folder_stop_with_their_docks_or_with_napari_and_can_go_on(desk: Path) -> None:
    going_on = ["go_on_training:keep", "leave_training", "find_training", "search_folder"]
    close_during(desk, "train", "search_folder", "shut", *going_on)
    out = desk / "river-diatoms"
    assert not is_finished(out)
    done = EarlierRun.read(out).images
    assert 2 <= len(done) < 30
    assert all(image.specimens == 2 for image in done)
    files = list((out / "annotations").rglob("*.geojson"))
    assert len(files) >= len(done)
    assert all(len(geojson.read(path)) == 2 for path in files)
    run = RunFolder(desk / "runs" / "my-diatoms")
    assert run.state().stage == "stopped"
    assert len(run.history()) >= 1


def test_an_image_that_is_searched_an_import_and_an_export_are_whole_or_not_there(desk: Path) -> None:
    close_during(desk, "search:detect", "take_in", "convert")
    with Project.open(desk / "project") as project:
        assert sum(tally.total for tally in project.summary()) in (0, MANY)
    out = desk / "out.xml"
    assert not out.exists() or sum(map(len, by_name("cvat").read(out))) == MANY


def test_a_search_and_an_import_end_with_their_docks(desk: Path) -> None:
    close_during(desk, "search:detect", "take_in", "shut")
    with Project.open(desk / "project") as project:
        assert sum(tally.total for tally in project.summary()) in (0, MANY)


def test_instances_composed_slides_an_estimate_and_tables_end_with_the_window(desk: Path) -> None:
    close_during(desk, "search:instances", "compose", "estimate", "tables")
    fields = {path.stem for path in (desk / "composed").glob("*.png")}
    # The outlines of a field are written before its picture.
    assert fields <= {path.stem for path in (desk / "composed").glob("*.npz")}


def test_a_map_rendered_slides_and_a_model_that_is_read_leave_nothing_half_done(desk: Path) -> None:
    close_during(desk, "search:segment", "render", "read_model")
    slides = [path.stem for path in (desk / "rendered" / "slides").glob("*")]
    truths = [path.stem for path in (desk / "rendered" / "truth").glob("*")]
    # A slide is written before its truth.
    assert set(truths) <= set(slides)
    assert len(set(slides) - set(truths)) <= 1
    assert not (desk / "models").exists() or list((desk / "models").iterdir()) == []
