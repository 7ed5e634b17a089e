"""A disk that is full at any write of a training: the best weights are kept, words are said, and it can go on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diatom_training.finetune import training_process
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.training_run import work
from helpers.tiny import configured, draw_slides
from napari_diatom.core.progress import Progress
from napari_diatom.models import library

FILES = (
    "events.jsonl",
    "run.json",
    "history.csv",
    "last.partial",
    "weights.safetensors",
    "model.yaml",
    "report.html",
    "tfevents",
)


class Full:
    """A stream on a full disk: half of what is written is there."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, data: Any) -> int:
        self._stream.write(data[: len(data) // 2])
        self._stream.flush()
        raise no_room()

    def fileno(self) -> int:
        raise no_room()


def no_room() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slides(tmp_path_factory.mktemp("slides"))


@pytest.fixture(scope="module")
def whole(slides: Path) -> RunFolder:
    folder = RunFolder.create(slides.parent / "whole", configured(slides, learning={"crops": 2}))
    assert work(folder) == 0
    return folder


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[RunFolder, str], None]]:
    """Return what fills the disk for a file of a run, once its first epoch is told of."""
    from torch.utils.tensorboard import SummaryWriter

    opened, flushed, told = Path.open, SummaryWriter.flush, RunFolder.say
    state = {"name": "", "full": False}

    def open_(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        stream = opened(path, mode, *rest, **options)
        writes = set(mode) & set("wa+")
        return Full(stream) if state["full"] and writes and state["name"] in path.name else stream

    def flush(writer: Any) -> None:
        if state["full"] and state["name"] == "tfevents":
            raise no_room()
        flushed(writer)

    def say(folder: RunFolder, progress: Progress) -> None:
        told(folder, progress)
        if progress.stage == "epoch" and progress.done == 1 and state["name"]:
            state["full"] = True

    def set_(folder: RunFolder, name: str) -> None:
        state.update(name=name, full=False)

    monkeypatch.setattr(Path, "open", open_)
    monkeypatch.setattr(SummaryWriter, "flush", flush)
    monkeypatch.setattr(RunFolder, "say", say)
    # With so short a training chance decides which epoch is best; here it is always the last.
    monkeypatch.setattr("diatom_training.finetune.training_run.is_best", lambda history: True)
    return set_


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_leaves_the_best_weights_and_a_run_that_goes_on(
    tmp_path: Path,
    whole: RunFolder,
    fill: Callable[[RunFolder, str], None],
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    folder = RunFolder.create(tmp_path / "run", whole.config())
    fill(folder, name)
    code = work(folder)
    said = capfd.readouterr().err
    assert code == (training_process.NO_ROOM if name in ("events.jsonl", "run.json") else 2)
    state, _ = folder.written_state()
    words = said if code == training_process.NO_ROOM else state.message
    assert "cannot be written" in words
    assert "Traceback" not in said
    library.resolve_model(folder / "model").verify()
    assert len(folder.history()) in (1, 2)
    assert not [path for path in folder.path.rglob("*") if path.name.endswith((".part", ".partial"))]
    assert (folder / "events.jsonl").read_bytes().endswith(b"\n")

    fill(folder, "")
    assert work(folder) == 0
    assert folder.history() == whole.history()
    cards = [library.resolve_model(run / "model").card for run in (folder, whole)]
    assert (cards[0].metrics, cards[0].sha256) == (cards[1].metrics, cards[1].sha256)
