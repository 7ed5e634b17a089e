"""Keep the rendered fields that `accuracy.py` measures on, without loss, or check them against their hashes.

A new version of the renderer draws other fields from the same seed. Models of two versions can only be compared on the
same fields, so those of a table are kept: as pixels where there is room, and as hashes beside the commit that draws
them, from which anybody can make them again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from command import run
from fields import MANIFEST, SET_UP, freeze, frozen, manifest_of, render

HASHES = Path(__file__).parent / "results" / "frozen-fields.json"


def main() -> int:
    """Write or check the fields."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="frozen_fields.py build/fields"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the fields are, or are to be")
    parser.add_argument("--check", action="store_true", help=f"compare them with {HASHES.name}, and write nothing")
    parser.add_argument("--fields", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=2025, help="another seed gives other fields (%(default)s)")
    parser.add_argument("--size", default="1536x2048", help="height x width in pixels (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="to render with (%(default)s)")
    return run(parser, _work)


def _work(options: argparse.Namespace) -> int:
    """Do what is asked, and return the exit code."""
    if options.check:
        count = sum(1 for _ in frozen(options.folder, HASHES))
        print(f"{count} fields are those of {HASHES.name}.")
        return 0
    height, width = (int(side) for side in options.size.split("x"))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    fields = render(options.fields, options.seed, height, width, options.processes)
    freeze(options.folder, fields, {"commit": commit, "seed": options.seed, "size": options.size})
    print(f"{len(manifest_of(options.folder / MANIFEST)['fields'])} fields written to {options.folder}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
