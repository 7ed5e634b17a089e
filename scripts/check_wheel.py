#!/usr/bin/env python3
"""Say what is missing from a built wheel, or does not belong there: ``scripts/check_wheel.py dist/*.whl``."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

REQUIRED = (
    "diatom_training/__init__.py",
    "napari_diatom/__init__.py",
    "napari_diatom/cli/__main__.py",
    "napari_diatom/napari.yaml",
    "napari_diatom/py.typed",
    *(f"napari_diatom/reports/templates/{name}" for name in ("page.html", "parts.html", "style.css")),
    *(
        f"napari_diatom/models/bundled/{model}/{name}"
        for model in ("diatom-box", "diatom-deeplab", "diatom-embed", "diatom-maskrcnn", "diatom-obb", "diatom-outline")
        for name in ("model.yaml", "weights.safetensors")
    ),
)
PACKAGES = ("diatom_training/", "napari_diatom/")
ENTRY_POINTS = ("napari-diatom = napari_diatom.cli:main", "napari-diatom = napari_diatom:napari.yaml")
LARGEST_MB = 100
"""What package indexes take."""


def problems(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel, a sentence each."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        found = [f"{name} is missing." for name in REQUIRED if name not in names]
        outside = [name for name in names if not name.startswith(PACKAGES) and ".dist-info/" not in name]
        found += [f"{name} does not belong in the wheel." for name in outside]
        found += [f"{name} is compiled for one Python." for name in names if name.endswith((".pyc", ".pyo"))]
        listed = next((name for name in names if name.endswith(".dist-info/entry_points.txt")), None)
        text = archive.read(listed).decode() if listed else ""
        found += [f"The entry point {entry} is missing." for entry in ENTRY_POINTS if entry not in text]
        if not any(name.endswith("/licenses/LICENSE") for name in names):
            found.append("The licence is missing.")
    size = wheel.stat().st_size / 1e6
    if size > LARGEST_MB:
        found.append(f"The wheel has {size:.0f} MB, more than {LARGEST_MB}.")
    return found


def main(paths: list[str]) -> int:
    """Check wheels, and return 1 when something is wrong."""
    if not paths:
        print("Name a wheel: scripts/check_wheel.py dist/*.whl", file=sys.stderr)
        return 2
    found = [f"{path}: {problem}" for path in paths for problem in problems(Path(path))]
    print("\n".join(found) or "The wheel is complete.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
