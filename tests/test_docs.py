"""The documentation: the site builds, its links lead somewhere, and it names what there is."""

import re
import subprocess
import sys
import zipfile
from inspect import Parameter, signature
from pathlib import Path

import pytest

import napari_diatom as nd
from napari_diatom.widgets.canvas.key_bindings import DIGITS, KEYS

ROOT = Path(__file__).parents[1]
OUTSIDE_THE_SITE = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "sample_data/README.md",
    "training/README.md",
    "benchmarks/README.md",
)


def test_the_site_builds_without_a_warning_or_the_network(tmp_path: Path) -> None:
    guard = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('The build reaches for the network.')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from sphinx.cmd.build import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["-W", "--keep-going", "-n", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    command = [sys.executable, "-c", guard, *options, str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "specimens.csv" in (tmp_path / "site" / "reference" / "columns.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", OUTSIDE_THE_SITE)
def test_links_of_pages_outside_the_site_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (ROOT / page).parent.joinpath(target).exists()] == []


def test_code_names_pages_that_exist() -> None:
    folders = ("napari_diatom", "training", "benchmarks", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".yaml"}]
    found = [(path, name) for path in files for name in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text("utf-8"))]
    ours = [(path.name, name) for path, name in found if "user_guide" not in name and not (ROOT / name).exists()]
    assert found
    assert ours == []


def test_the_page_of_python_has_the_parameters_that_there_are() -> None:
    text = (ROOT / "docs" / "how-to" / "python.md").read_text(encoding="utf-8")
    owners = {"nd": nd, "model": nd.Model, "analysis": nd.Analysis}
    found = re.findall(r"^`(nd|model|analysis)\.(\w+)\((.*)\)`$", text, flags=re.MULTILINE)
    assert {name for owner, name, _ in found if owner == "nd"} >= {name for name in nd.__all__ if name.islower()} - {
        "__version__"
    }
    for owner, name, written in found:
        parameters = [
            item for item in signature(getattr(owners[owner], name)).parameters.values() if item.name != "self"
        ]
        shown, starred = [], False
        for item in parameters:
            if item.kind is Parameter.KEYWORD_ONLY and not starred:
                shown.append("*")
                starred = True
            default = "..." if callable(item.default) else repr(item.default).replace("'", '"')
            shown.append(item.name if item.default is Parameter.empty else f"{item.name}={default}")
        assert written == ", ".join(shown)


def test_pages_for_developers_name_files_that_exist() -> None:
    pages = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs" / "developers").glob("*.md")]
    names = [
        name
        for page in pages
        for name in re.findall(r"`((?:napari_diatom|training|tests|docs)/[\w./-]+)`", page.read_text("utf-8"))
    ]
    assert len(names) > 20
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_every_picture_is_small_and_is_shown() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / page for page in OUTSIDE_THE_SITE)]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert [picture.name for picture in pictures if f"images/{picture.name})" not in text] == []
    assert [picture.name for picture in pictures if picture.stat().st_size > 300_000] == []


def test_the_page_of_keys_has_every_key_with_what_it_does() -> None:
    text = (ROOT / "docs" / "reference" / "keys.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, flags=re.MULTILINE))
    shown = {key.name.replace("Control", "Ctrl").replace("-", "+"): key.title for key in KEYS if key.name not in DIGITS}
    assert {name: title for name, title in rows.items() if name != "1 ... 9"} == shown


def wheel_with(folder: Path, *names: str) -> Path:
    """Return a wheel that holds these files, empty ones."""
    path = folder / "napari_diatom-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("napari_diatom/__init__.py", "napari_diatom/models/bundled/diatom-obb/weights.safetensors is missing."),
        ("tests/test_docs.py", "tests/test_docs.py does not belong in the wheel."),
        ("napari_diatom/x.pyc", "napari_diatom/x.pyc is compiled for one Python."),
    ],
)
def test_a_wheel_with_files_missing_or_too_many_is_refused(tmp_path: Path, name: str, said: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "check_wheel.py"), str(wheel_with(tmp_path, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stdout
