"""Processes of their own: where they find modules, what they are given, what of them comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_diatom.core.processes import command_of, run, start

CODE = """
import sys
from pathlib import Path

def tell(*words):
    Path(words[0]).write_text("|".join(words[1:]), encoding="utf-8")

if __name__ == "__main__":
    tell(*sys.argv[1:])
"""


@pytest.mark.parametrize("target", ["told_here", "told_here:tell"])
@pytest.mark.parametrize("folder", ["plain", 'it\'s a "slide" µm', "a;b"])
def test_a_process_finds_modules_where_its_parent_does(
    target: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / (folder.replace('"', "") if sys.platform == "win32" else folder)
    home.mkdir()
    (home / "told_here.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(home))
    words = ("-c", "Navicula 'cf.' \"µ\"", "")
    done = run(target, str(home / "out.txt"), *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert (home / "out.txt").read_text(encoding="utf-8") == "|".join(words)


def test_a_process_takes_no_module_from_the_folder_it_starts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "runpy", "importlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("json.tool", "--help").returncode == 0


def test_a_process_that_is_apart_has_its_streams(tmp_path: Path) -> None:
    with start("this", apart=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"Zen of Python" in process.stdout.read()


def test_no_path_stands_in_the_code_of_a_process() -> None:
    code = command_of("json.tool")[3]
    assert all(entry not in code for entry in sys.path if entry)
