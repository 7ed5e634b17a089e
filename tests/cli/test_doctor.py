"""The doctor: what is installed, and what is known to go wrong, each with its remedy."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import napari_diatom as nd
from napari_diatom.analysis import worker_process
from napari_diatom.cli import main
from napari_diatom.diagnostics import machine, packages
from napari_diatom.models import library

renderer = machine.renderer


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Ask neither torch nor the graphics card, and have one Qt and folders of its own."""
    monkeypatch.setattr(worker_process, "devices", lambda: ("auto", "cpu", "cuda"))
    monkeypatch.setattr(machine, "renderer", lambda: "Fast GPU")
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("QT_API", "pyqt6")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """Return a folder of packages that Python looks into first."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, name: str, version: str, files: tuple[str, ...] = ()) -> None:
    """Write what pip writes about a package."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files), encoding="utf-8")


def doctor(capsys) -> tuple[int, str]:
    code = main(["doctor"])
    return code, capsys.readouterr().out


def test_a_sound_installation_has_no_problems(quick, capsys):
    code, text = doctor(capsys)
    assert code == 0
    assert text.endswith("No problems found.\n")
    for word in ("Python", "PyQt6", "torch", "ultralytics-opencv-headless", "diatom-obb", "bundled", "cuda", "GB free"):
        assert word in text


def test_show_versions_prints_the_same(quick, capsys):
    _, text = doctor(capsys)
    assert nd.show_versions() is None
    free = [line for line in capsys.readouterr().out.splitlines() if "GB free" not in line]
    assert free == [line for line in text.splitlines() if "GB free" not in line]


def test_two_distributions_of_ultralytics_are_named_with_the_remedy(quick, site, capsys):
    install(site, "ultralytics", "8.3.0")
    code, text = doctor(capsys)
    assert code == 3
    assert "side by side" in text
    assert "pip uninstall ultralytics, then" in text
    assert "--force-reinstall --no-deps ultralytics-opencv-headless" in text


@pytest.mark.parametrize("name", ["opencv-python", "opencv_contrib_python", "OpenCV.Contrib.Python.headless"])
def test_two_distributions_of_opencv_are_named_with_the_remedy(quick, site, capsys, name):
    install(site, name, "4.9.0")
    code, text = doctor(capsys)
    assert code == 3
    assert "Several distributions of OpenCV" in text
    assert f"pip uninstall {packages.normalized(name)}, then" in text


@pytest.mark.parametrize("name", ["ultralytics-opencv-headless", "opencv-python-headless"])
def test_files_that_another_package_took_away_are_missed(quick, site, capsys, name):
    install(site, name, "9.0", ("gone/__init__.py", "gone/__pycache__/x.pyc", "gone/nn.py"))
    code, text = doctor(capsys)
    assert code == 3
    assert f"{name} is installed, but 2 of its files are missing" in text


def test_several_qt_bindings_are_a_problem_unless_one_is_chosen(quick, site, monkeypatch, capsys):
    install(site, "PySide6", "6.7.0")
    assert doctor(capsys)[0] == 0
    monkeypatch.delenv("QT_API")
    code, text = doctor(capsys)
    assert code == 3
    assert "Several Qt bindings are installed (PyQt6, PySide6)" in text
    assert "QT_API=pyqt6" in text


def test_packages_that_are_not_there_are_problems(monkeypatch, capsys, quick):
    monkeypatch.setattr(packages, "installed", dict)
    monkeypatch.setattr(packages, "bindings", lambda found: [])
    code, text = doctor(capsys)
    assert code == 3
    for what in ("No Qt binding", 'pip install "napari[pyqt6]"', "OpenCV is not installed", "Ultralytics is not"):
        assert what in text
    assert "Notes" not in text


@pytest.mark.parametrize("name", ["llvmpipe (LLVM 15)", "Microsoft Basic Render Driver", "Google SwiftShader"])
def test_graphics_in_software_are_a_note_with_the_remedy(quick, monkeypatch, capsys, name):
    monkeypatch.setattr(machine, "renderer", lambda: name)
    code, text = doctor(capsys)
    assert code == 0
    assert f"OpenGL runs in software ({name})" in text
    assert "The window is slower" in text
    assert "Remedy: On your own computer, install the driver of your graphics card." in text
    assert text.endswith("No problems found, 1 note.\n")


def test_missing_graphics_are_a_problem(quick, monkeypatch, capsys):
    monkeypatch.setattr(machine, "renderer", lambda: "")
    code, text = doctor(capsys)
    assert code == 3
    assert "OpenGL is missing" in text
    assert text.endswith("1 problem found.\n")


def test_a_note_beside_a_problem_leaves_the_exit_code_of_the_problem(quick, site, monkeypatch, capsys):
    install(site, "opencv-python", "4.9.0")
    monkeypatch.setattr(machine, "renderer", lambda: "llvmpipe")
    code, text = doctor(capsys)
    assert code == 3
    assert (
        text.index("\nNotes\n")
        < text.index("in software")
        < text.index("\nProblems\n")
        < text.index("distributions of OpenCV")
    )
    assert text.endswith("1 problem found, 1 note.\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("", "not known: there is no screen"),
        (":4711", "OpenGL cannot be checked: the display cannot be opened"),
    ],
)
def test_without_a_display_there_is_no_problem_and_no_traceback(quick, monkeypatch, capfd, display, said):
    monkeypatch.setattr(machine, "renderer", renderer)
    monkeypatch.setenv("DISPLAY", display)
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["doctor"]) == 0
    printed = capfd.readouterr()
    assert said in printed.out
    assert printed.err == ""


def test_the_graphics_card_is_asked_in_another_process(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "talks.py").write_text("print('a banner'); print('OpenGL: Fast GPU', flush=True)", encoding="utf-8")
    (tmp_path / "crashes.py").write_text("import os; os.abort()", encoding="utf-8")
    monkeypatch.setenv("DISPLAY", ":99")
    assert machine.renderer("talks") == "Fast GPU"
    assert machine.renderer("crashes") is None


@pytest.mark.parametrize("part", ["weights.safetensors", "model.yaml"])
def test_damaged_models_are_named_with_the_remedy(quick, capsys, part):
    home = library.user_folder() / "mine"
    shutil.copytree(library.BUNDLED / "diatom-obb", home)
    card = (home / "model.yaml").read_text(encoding="utf-8").replace("name: diatom-obb", "name: mine", 1)
    (home / "model.yaml").write_text(card, encoding="utf-8")
    assert doctor(capsys)[0] == 0
    (home / part).write_bytes(b"nothing of the kind")
    code, text = doctor(capsys)
    assert code == 3
    assert "Remove the model's folder" in text
    assert str(home) in text


def test_folders_that_cannot_be_written_are_problems(quick, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "file" / "models"))
    code, text = doctor(capsys)
    assert code == 3
    assert "The folder for models" in text
    assert "NAPARI_DIATOM_MODELS names another folder" in text


def test_a_full_disk_is_a_problem_that_is_named_once(quick, monkeypatch, capsys):
    usage = shutil.disk_usage("/")._replace(free=500_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    code, text = doctor(capsys)
    assert code == 3
    assert text.count("has 0.5 GB left") == 1


def test_looking_leaves_nothing_behind(quick, tmp_path, capsys):
    doctor(capsys)
    assert not (tmp_path / "models").exists()
