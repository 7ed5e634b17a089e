"""Several processes on one machine count what one does, to the same bytes, also where one of them dies."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

import napari_diatom as nd
from helpers.counting import count_season, record, results, save_season


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five slides of two samples, one of them damaged."""
    return save_season(tmp_path_factory.mktemp("season") / "slides")


@pytest.fixture(scope="module")
def whole(slides: Path) -> Path:
    """The results of one process."""
    out = slides.parent / "whole"
    assert count_season(slides, out) == 3
    return out


def test_processes_give_the_same_bytes(slides: Path, whole: Path, tmp_path: Path) -> None:
    assert count_season(slides, tmp_path / "out", "--workers", "2") == 3
    assert results(tmp_path / "out") == results(whole)
    assert record(tmp_path / "out")["skipped"] == record(whole)["skipped"]
    assert not list((tmp_path / "out").glob(".napari-diatom/*.record"))


def test_a_process_that_dies_costs_no_image(
    slides: Path, whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = threading.Event()

    def kill_one() -> None:
        before = {child.pid for child in psutil.Process().children()}
        while not done.is_set():
            new = [child for child in psutil.Process().children() if child.pid not in before]
            if len(new) >= 2:
                time.sleep(0.3)
                new[0].kill()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    try:
        assert count_season(slides, tmp_path / "out", "--workers", "2") == 3
    finally:
        done.set()
        thread.join()
    assert "was lost" in capfd.readouterr().err
    assert results(tmp_path / "out") == results(whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workers", "0"), "give 1 to 256"),
        (("--workers", "2", "--shard", "1/2"), "give more shards"),
        (("--workers", "2", "--z", "sharpest"), "sharpest"),
        (("--workers", "2", "--precision", "int8"), "8 bits"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert count_season(slides, tmp_path / "out", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "specimens.csv").exists()


def test_results_are_not_replaced_unasked(
    slides: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = results(whole)
    assert count_season(slides, whole, "--workers", "2") == 2
    assert "--resume" in capsys.readouterr().err
    assert results(whole) == before
    assert count_season(slides, whole, "--workers", "2", "--overwrite") == 3
    assert results(whole) == before


def test_python_counts_with_processes(slides: Path, whole: Path, tmp_path: Path) -> None:
    model, choices = nd.load_model("diatom-obb", threads=2), nd.CountChoices(threshold=0.1)
    with pytest.warns(UserWarning, match="damaged"):
        found = nd.count_images(slides, tmp_path / "out", model, choices, workers=2)
    assert results(tmp_path / "out") == results(whole)
    assert len(found) == len(nd.read_count(whole))
