"""What nobody should have to trust, by the thousand: images, annotations, models, kills and full disks.

Prints a table with a row for each part and a column for each thing that must never happen: that something is executed
or the network is reached, a traceback, a hang of more than 20 s (120 s for a training), more than 2 GB of memory, and
finished work that is lost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fields import SET_UP
from hostile_inputs.watch import FAULTS, Ledger, run

KILLS = Path(__file__).with_name("kills.py")
PARTS = {
    "images": ("images", 20_000),
    "annotations": ("annotations", 20_000),
    "models": ("models", 200),
    "kills": ("kills", 300),
    "disk": ("full_disk", 200),
}
"""Of each part its module and how many inputs it has by default."""
EPILOG = f"""\
{SET_UP.format(script="hostile.py --parts models")}
the parts, run one at a time with --parts PART; without it, all of them:
  images       damaged images of every kind, opened and read
  annotations  damaged annotation files of every format, given to `convert`
  models       hostile checkpoints, cards, archives and weights, given to `models` and `count`
  kills        programs that annotate, killed at random moments: one, two, and two whose clocks differ (kills.py)
  disk         `count`, a project and a training on a full disk; needs root, or `unshare -rm`, on Linux
Each part ends by itself within 10 minutes: after --minutes it begins no further input, and the column "tried" says how
far it came.
"""


def main() -> int:
    """Run the parts and print what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--count", type=int, help="inputs of each part (all of them)")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which a part begins no input (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that chance decides (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    ledgers: dict[str, Ledger] = {}
    for name in options.parts:
        module, every = PARTS[name]
        count = options.count or every
        print(f"{name}: {count:,} inputs, at most {options.minutes:g} minutes ...", file=sys.stderr, flush=True)
        if name == "kills":
            ledgers[name] = _kills(count, options.minutes, options.seed)
        else:
            # A training takes longer than a reader by itself.
            hang = 120.0 if name == "disk" else 20.0
            ledgers[name] = run(module, count, options.seed, options.minutes, options.workers, hang)
    _print(ledgers)
    if options.json:
        figures = {name: {**vars(ledger)} for name, ledger in ledgers.items()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if any(ledger.faults for ledger in ledgers.values()) else 0


def _kills(count: int, minutes: float, seed: int) -> Ledger:
    """Kill programs that annotate: alone, two at once, and two on computers whose clocks differ."""
    ledger = Ledger()
    started = time.monotonic()
    ways = (("400",), ("400", "--writers", "2"), ("2000", "--writers", "2", "--skew"))
    for done, (way, share) in enumerate(zip(ways, (count - 2 * (count // 4), count // 4, count // 4), strict=True)):
        left = (60 * minutes - (time.monotonic() - started)) / (len(ways) - done)
        with tempfile.TemporaryDirectory(prefix="napari-diatom-hostile-") as folder:
            figures = Path(folder) / "figures.json"
            command = [sys.executable, str(KILLS), "--kills", str(share), "--longest", *way]
            try:
                subprocess.run(
                    [*command, "--seed", str(seed), "--minutes", str(left / 60), "--json", str(figures)],
                    stdout=sys.stderr,
                    timeout=left + 60,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                ledger.add("hang", 0, f"kills {' '.join(way)} did not end")
                continue
            if not figures.exists():
                ledger.add("traceback", 0, f"kills {' '.join(way)} ended without figures")
                continue
            found = json.loads(figures.read_text(encoding="utf-8"))
        ledger.tried += found["kills"]
        ledger.outcomes["killed"] += found["kills"]
        for title in ("kills after which something was lost", "projects that did not open"):
            for _ in range(found[title]):
                ledger.add("lost", 0, f"{title}: kills.py --longest {' '.join(way)} --seed {seed}")
    ledger.seconds = time.monotonic() - started
    return ledger


def _print(ledgers: dict[str, Ledger]) -> None:
    """Print a row for each part, then what was wrong."""
    titles = ("part", "tried", "read", "refused", *FAULTS, "seconds")
    rows = [
        (
            name,
            f"{ledger.tried:,}",
            f"{ledger.outcomes.total() - ledger.outcomes['refused']:,}",
            f"{ledger.outcomes['refused']:,}",
            *(str(ledger.faults[fault]) for fault in FAULTS),
            f"{ledger.seconds:.0f}",
        )
        for name, ledger in ledgers.items()
    ]
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    for name, ledger in ledgers.items():
        for example in ledger.examples:
            print(f"\n{name}: {example}")


if __name__ == "__main__":
    raise SystemExit(main())
