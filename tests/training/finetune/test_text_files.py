"""The text files of a training may hold anything: words, or a skip, and never a traceback, a hang or a lost run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from diatom_training.cli import train as command
from diatom_training.composing.dataset_writer import RECORD
from diatom_training.data.examples import load_truth
from diatom_training.evaluation.cross_validation import Fold
from diatom_training.finetune import dataset, recent_runs, resource_estimate, training_process
from diatom_training.finetune.run_folder import RunFolder
from helpers.tiny import configured, draw_slides
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.models.library import user_folder

DEEP = "[" * 100_000
ANYTHING = {
    "nothing": b"",
    "null": b"null",
    "a number": b"7",
    "a huge number": b'{"pid": 1e999, "started": 1e999, "stage": "running", "message": "", "parts": 1e999}',
    "no such number": b'{"pid": -1, "started": NaN, "stage": "running", "message": ""}',
    "a list": b"[1, 2, {}]",
    "wrong types": b'{"pid": [], "started": {}, "stage": 3, "message": null, "classes": 3, "parts": [1], "stage": 1}',
    "entries twice": b'{"stage": "new", "stage": "running"}',
    "deep nesting": DEEP.encode(),
    "deep mappings": ('{"a":' * 50_000).encode(),
    "latin-1": "name: Übrige".encode("latin-1"),
    "UTF-16": "stage: new".encode("utf-16"),
    "nulls": b"\0" * 300,
    "an impossible date": b"data: 2026-13-45\ntask: 2026-02-31",
    "a tag": b"data: !!python/object/apply:os.system ['touch RAN']",
    "aliases by the million": b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n".encode() for k in range(9)),
    "a line without an end": b"x" * 3_000_000,
    "ragged rows": b"epoch,val_loss\n1,0.5,7,8\n2\n",
    "words for numbers": b"epoch,val_loss\n1,low\n",
    "semicolons": b"epoch;val_loss\n1;0,5\n",
    "quotes without an end": b'epoch,val_loss\n1,"0.5\n',
}


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", configured(tmp_path / "slides.json"))


READERS: dict[str, tuple[str, Callable[[RunFolder], object]]] = {
    "state": ("run.json", lambda run: run.state()),
    "division": ("split.json", lambda run: run.division()),
    "settings": ("config.yaml", lambda run: run.config()),
    "figures": ("history.csv", lambda run: run.history()),
    "events": ("events.jsonl", lambda run: [training_process.progress_of(event) for event in run.events()[0]]),
    "starter": ("starter.json", lambda run: run.has_starter()),
    "curves": ("split.json", lambda run: run.reading([{"val_loss": 1.0}] * 5)),
    "fold": ("report.json", lambda run: Fold.read("fold-1", ("a",), run / "report.json")),
}


def words_of(read: Callable[[RunFolder], object], run: RunFolder) -> str:
    """Return what is said against a file; all its names where it is taken, or passed over."""
    try:
        read(run)
    except InputError as error:
        return str(error)
    return " ".join(name for name, _ in READERS.values())


@pytest.mark.parametrize("reader", READERS)
def test_any_content_of_a_run_s_file_is_words(run: RunFolder, reader: str) -> None:
    name, read = READERS[reader]
    for content in ANYTHING.values():
        (run / name).write_bytes(content)
        said = words_of(read, run)
        assert name in said
        assert len(said) < 700
    assert not Path("RAN").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_or_a_folder_in_place_of_a_run_s_file_is_not_waited_for(run: RunFolder, reader: str) -> None:
    name, read = READERS[reader]
    (run / name).unlink(missing_ok=True)
    for make in (os.mkfifo, os.mkdir):
        make(run / name)
        assert name in words_of(read, run)
        (os.unlink if make is os.mkfifo else os.rmdir)(run / name)


def test_a_list_of_trainings_that_is_spoilt_is_no_list(run: RunFolder) -> None:
    file = user_folder().parent / "runs.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    for content in ANYTHING.values():
        file.write_bytes(content)
        assert recent_runs.list_runs() == []
        recent_runs.remember(run)
        assert [known.path for known in recent_runs.list_runs()] == [run.path]
    file.write_text(json.dumps(["a" * 5000, "b\0", 3, str(run.path), str(run.path)]))
    assert [known.path for known in recent_runs.list_runs()] == [run.path]


def test_settings_that_hold_anything_are_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ANYTHING.values():
        (tmp_path / "mine.yaml").write_bytes(content)
        for option in ("--check", "--resume"):
            assert cli.main(["train", str(tmp_path / "mine.yaml"), option]) == 2
            said = capsys.readouterr().err
            assert "mine.yaml" in said
            assert "Traceback" not in said


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"learning": {"seed": -1}}, "learning.seed"),
        ({"split": {"seed": -1}}, "split.seed"),
        ({"learning": {"rate": float("inf")}}, "learning.rate"),
        ({"learning": {"augment": {"contrast": float("nan")}}}, "contrast"),
        ({"learning": {"size": 10**9}}, "learning.size: must be 8192 or less"),
        ({"learning": {"workers": 10**6}}, "learning.workers: must be 128 or less"),
        ({"split": {"seed": 1e99}}, "split.seed: must be a number with fewer digits"),
        ({"split": {"shares": "70-70-70"}}, "such as 70-15-15.\n"),
        ({"pixel_size_um": float("inf")}, "pixel_size_um"),
        ({"data": "a" * 400}, "a" * 40),
        ({"data": "a\0b"}, "does not exist"),
        ({"start": "s" * 400}, "ssss"),
    ],
)
def test_settings_out_of_bounds_are_exit_code_2(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], entries: dict[str, object], words: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"data": str(slides), "task": "semantic"} | entries))
    assert cli.main(["train", str(file), "--check"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1


def test_a_seed_such_as_a_date_is_one(slides: Path, tmp_path: Path) -> None:
    from diatom_training.learning.lightning_module import mixed

    assert configured(slides, learning={"seed": 20_261_128}).learning.seed == 20_261_128
    assert 0 <= mixed(20_261_128, 3, 7) < 2**63
    assert mixed(5, 3, 7) == (5 * 1_000_003 + 3) * 1_000_003 + 7


def test_events_of_others_between_those_of_a_training_are_passed_over(run: RunFolder) -> None:
    from napari_diatom.core.progress import Progress

    run.say(Progress("images", 1, 2))
    with (run / "events.jsonl").open("ab") as stream:
        stream.write(b'{"stage": "step"}\n[1]\n\xff\xfe\n{"stage": "ep')
        stream.write(b"\n")
    run.say(Progress("epoch", 1, 2, values={"val_loss": 0.5}))
    events, offset = run.events()
    assert [event["stage"] for event in events] == ["images", "epoch"]
    assert run.events(offset) == ([], offset)


def test_damaged_annotations_are_exit_code_2(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = resource_estimate.Estimate(1.0, 1.0, 1.0, 0.1, 10, 2, 1.0, 1.0, 10**9, "cpu")
    monkeypatch.setattr(command, "estimate", lambda config: told)
    configured(slides).write(tmp_path / "mine.yaml")
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 0
    whole = slides.read_bytes()
    spoilt = [content for name, content in ANYTHING.items() if name != "a line without an end"]
    for content in (*spoilt, whole[: len(whole) // 2], whole.replace(b"120", b"NaN")):
        slides.write_bytes(content)
        assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 2
        assert "Traceback" not in capsys.readouterr().err
    slides.write_bytes(whole)
    (slides.parent / "images" / "s0_0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 2
    assert "s0_0.png" in capsys.readouterr().err


def test_what_composed_slides_are_kept_with_may_be_spoilt(tmp_path: Path) -> None:
    from diatom_training.composing.dataset_writer import compose_set
    from diatom_training.composing.options import ComposeOptions
    from helpers.composed import even_material

    options = ComposeOptions(size=64, specimens=(1, 1), debris_ratio=(0, 0))
    compose_set(even_material(), options, tmp_path / "set", 1)
    for content in ANYTHING.values():
        (tmp_path / "set" / "000000.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"000000\.npz"):
            load_truth(tmp_path / "set" / "000000.png")
        (tmp_path / "set" / RECORD).write_bytes(content)
        with pytest.raises(InputError, match=r"composed"):
            compose_set(even_material(), options, tmp_path / "set", 1)


def test_figures_that_a_spreadsheet_spoilt_keep_no_training_from_going_on(tmp_path: Path, slides: Path) -> None:
    from diatom_training.finetune.training_run import work

    folder = RunFolder.create(tmp_path / "run", configured(slides))
    assert work(folder) == 0
    whole = folder.history()
    folder.write_state("stopped")
    (folder / "history.csv").write_bytes(ANYTHING["semicolons"])
    (folder / "transferred.txt").write_bytes(b"\xff\xfe")
    assert dataset.read(folder.config(), begun=folder.division()).classes == ("needle", "square")
    assert work(folder) == 0
    assert folder.history() == whole
