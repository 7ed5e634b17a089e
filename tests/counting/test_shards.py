"""A run in shards gives the bytes of a run in one piece, whatever their number, their order and their accidents."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

import napari_diatom as nd
from helpers.counting import count, record, results, save
from helpers.fakes import BlobEngine
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.counting import run_record
from napari_diatom.counting.run_lock import held
from napari_diatom.counting.shards import Shard


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Five slides of two samples, one of them damaged."""
    folder = tmp_path / "slides"
    for k, sample in enumerate(("river", "river", "lake", "lake")):
        save(folder / sample / f"{k}.png", number=k + 1, seed=k)
    damaged = save(folder / "lake" / "damaged.png")
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    return folder


@pytest.fixture
def whole(slides: Path, tmp_path: Path) -> Path:
    """The results of one run."""
    assert count(slides, "-o", tmp_path / "whole", "--xlsx") == 3
    return tmp_path / "whole"


def merge(out: Path, *arguments: str) -> int:
    return cli.main(["count", str(out), "--merge", *arguments])


@pytest.mark.parametrize("order", [["1/1"], ["3/3", "1/3", "2/3"], ["2/9", "9/9", *(f"{k}/9" for k in range(1, 9))]])
def test_any_number_of_shards_in_any_order_gives_the_same_bytes(
    slides: Path, whole: Path, tmp_path: Path, order: list[str]
) -> None:
    out = tmp_path / "shards"
    for shard in order:
        assert count(slides, "-o", out, "--shard", shard) in (0, 3)
    assert not (out / "run.json").exists()
    assert merge(out, "--xlsx") == 3
    assert results(out) == results(whole)
    assert record(out)["skipped"] == record(whole)["skipped"]
    assert {part["shard"] for part in record(out)["shards"]} == set(order)
    assert merge(out, "--xlsx") == 3
    assert count(slides, "-o", out, "--xlsx", "--resume") == 3
    assert results(out) == results(whole)


def test_a_shard_that_was_killed_goes_on(slides: Path, whole: Path, tmp_path: Path) -> None:
    class Interrupted(BlobEngine):
        def predict(self, tiles, threshold):
            if self.tiles:
                raise KeyboardInterrupt
            yield from super().predict(tiles, threshold)

    out = tmp_path / "shards"
    assert count(slides, "-o", out, "--shard", "1/2", engine=Interrupted()) == 130
    assert count(slides, "-o", out, "--shard", "2/2") in (0, 3)
    assert merge(out) == 2
    again = BlobEngine()
    assert count(slides, "-o", out, "--shard", "1/2", engine=again) in (0, 3)
    assert merge(out, "--xlsx") == 3
    assert results(out) == results(whole)


def test_a_merge_names_what_is_missing(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    assert merge(out) == 2
    assert "holds nothing that a shard has counted" in capsys.readouterr().err
    assert count(slides, "-o", out, "--shard", "1/2") in (0, 3)
    assert merge(out) == 2
    error = capsys.readouterr().err
    assert "2 images of 5" in error
    assert "lake/3.png" in error or "lake/2.png" in error
    assert not (out / "specimens.csv").exists()
    assert count(slides, "-o", out, "--shard", "2/2") in (0, 3)
    next((out / "annotations").rglob("*.geojson")).unlink()
    assert merge(out) == 2
    assert "is missing: run its shard again" in capsys.readouterr().err


def test_shards_of_other_images_or_settings_do_not_go_together(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    assert count(slides, "-o", out, "--shard", "1/2") in (0, 3)
    assert count(slides, "-o", out, "--shard", "2/2", "--threshold", "0.9") == 2
    assert "threshold was 0.4, is 0.9" in capsys.readouterr().err
    shutil.rmtree(slides / "river")
    assert count(slides, "-o", out, "--shard", "2/2") in (0, 3)
    assert merge(out) == 2
    assert "did not see the same images" in capsys.readouterr().err


def test_shards_of_other_processors_are_told(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    for shard, processor in (("1/2", "AMD EPYC"), ("2/2", "Intel Xeon")):
        monkeypatch.setattr(run_record, "processor_name", lambda name=processor: name)
        assert count(slides, "-o", out, "--shard", shard) in (0, 3)
    assert merge(out) == 3
    warning = capsys.readouterr().err
    assert "different processor" in warning
    assert "1/2: AMD EPYC; 2/2: Intel Xeon" in warning


def test_shards_keep_out_of_each_others_way_and_whole_runs_out(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    journal = out / ".napari-diatom"
    assert count(slides, "-o", out, "--shard", "1/2") in (0, 3)
    with held(journal, out, Shard(1, 2)):
        assert count(slides, "-o", out, "--shard", "2/2") in (0, 3)
        assert count(slides, "-o", out, "--shard", "1/2") == 2
        assert "Another run of shard 1/2" in capsys.readouterr().err
        assert count(slides, "-o", out, "--resume") == 2
        assert merge(out) == 2
    assert merge(out) == 3


def test_a_shard_begins_no_folder_again(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert count(slides, "-o", tmp_path / "out", "--shard", "1/2", "--overwrite") == 2
    assert "others may be at work" in capsys.readouterr().err


def test_shards_in_python_are_those_of_the_command_line(
    slides: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "shards"
    assert count(slides, "-o", out, "--shard", "1/2") in (0, 3)
    monkeypatch.setattr(engines, "load", lambda *_, **__: BlobEngine())
    model = nd.load_model(tmp_path / "model", "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        nd.count_shard(slides, out, model, "2/2")
    with pytest.warns(UserWarning, match="damaged.png is skipped"):
        table = nd.merge_shards(out, xlsx=True)
    assert results(out) == results(whole)
    assert len(table) == len(nd.read_count(whole)) > 0


@pytest.mark.parametrize(
    ("given", "variables", "meant"),
    [
        ("3/8", {}, (3, 8)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "7"}, (5, 8)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "6",
                "SLURM_ARRAY_TASK_MIN": "2",
                "SLURM_ARRAY_TASK_MAX": "8",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            (3, 4),
        ),
        (
            "auto",
            {"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "5", "SGE_TASK_STEPSIZE": "1"},
            (2, 5),
        ),
        ("auto", {"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "7", "LSB_JOBINDEX_END": "9"}, (7, 9)),
        ("auto/6", {"PBS_ARRAY_INDEX": "6"}, (6, 6)),
        ("auto/9", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_MAX": "7"}, (4, 9)),
    ],
)
def test_shards_are_read_from_texts_and_job_arrays(
    given: str, variables: dict[str, str], meant: tuple[int, int]
) -> None:
    assert Shard.of_text(given, variables) == Shard(*meant)


@pytest.mark.parametrize(
    ("given", "variables", "fault"),
    [
        ("9/8", {}, "There is no shard 9/8"),
        ("0/8", {}, "There is no shard 0/8"),
        ("three", {}, "is no shard: give I/N"),
        ("auto", {}, "none of their variables is set"),
        ("auto", {"PBS_ARRAYID": "3"}, "does not say of how many jobs: give --shard auto/N"),
        ("auto/2", {"PBS_ARRAYID": "3"}, "There is no shard 3/2"),
    ],
)
def test_what_is_no_shard_is_refused(given: str, variables: dict[str, str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        Shard.of_text(given, variables)


def test_shards_take_every_image_once() -> None:
    items = list(range(10))
    picked = [item for number in range(1, 4) for item in Shard(number, 3).picked(items)]
    assert sorted(picked) == items
