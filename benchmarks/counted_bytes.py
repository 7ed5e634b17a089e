"""What two runs of ``count`` must have in common."""

from __future__ import annotations

from pathlib import Path


def counted_bytes(out: Path) -> dict[str, bytes]:
    """Return the tables, annotations and overlays of a folder of results, without ``run.json``, which holds times."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".napari-diatom" not in path.relative_to(out).parts and path.name != "run.json"
    }
