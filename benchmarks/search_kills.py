"""Does a search of settings that is killed end as one that is not? Twelve trials on the sample slides, killed twice.

One search runs undisturbed. Another one with the same settings is killed, with all its processes, at two moments that
chance chooses, and is continued each time. Their tables and best settings have to be the same bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import command
import psutil
from fields import SET_UP

from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning.search_folder import BEST, IMPORTANCES, TABLE, SearchFolder
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.search_space import parsed_range
from napari_diatom.core.processes import command_of

SAMPLES = Path(__file__).parents[1] / "sample_data"
SEARCHED = ("rate", "optimizer=adamw,sgd", "momentum=0.5:0.95", "weight_decay", "augment=usual,none")


def main() -> int:
    """Search twice, and compare."""
    return command.run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-search-") as name:
        os.environ["NAPARI_DIATOM_MODELS"] = str(Path(name) / "models")
        settings = _settings(options)
        whole, killed = (SearchFolder.create(Path(name) / one, settings) for one in ("whole", "killed"))
        begun = time.monotonic()
        _search(whole).wait()
        each = (time.monotonic() - begun) / options.trials
        print(f"undisturbed: {whole.results().sentence()} {each:.0f} s a trial", flush=True)
        for number in range(options.kills):
            ended = len(killed.results().trials)
            goal = ended + max((options.trials - ended) // (options.kills + 1 - number), 1)
            process = _search(killed)
            while len(killed.results().trials) < goal and process.poll() is None:
                time.sleep(0.2)
            time.sleep(chance.uniform(0, each))
            _kill(process)
            print(f"killed after {len(killed.results().trials)} of {options.trials} trials", flush=True)
        _search(killed).wait()
        print(f"killed {options.kills} times: {killed.results().sentence()}", flush=True)
        other = [
            file for file in (TABLE, BEST, IMPORTANCES) if (whole / file).read_bytes() != (killed / file).read_bytes()
        ]
        ended = len(killed.results().trials)
    print(f"other: {', '.join(other)}" if other else f"the same table, importances and best settings of {ended} trials")
    return 1 if other or ended < options.trials else 0


def _settings(options: argparse.Namespace) -> SearchSettings:
    """Return a search of a small classifier of the sample slides' taxa."""
    config = TrainConfig.of(
        name="samples",
        data=SAMPLES / "truth",
        images=SAMPLES / "slides",
        group=r"^([a-z]+)_",
        task=options.task,
        start="scratch",
        architecture=options.architecture,
        device="cpu",
        learning={"epochs": options.epochs, "crops": options.crops, "validation_crops": options.crops},
    )
    ranges = dict(parsed_range(text, config) for text in SEARCHED)
    return SearchSettings.of(training=config, ranges=ranges, trials=options.trials, seed=options.seed)


def _search(folder: SearchFolder) -> subprocess.Popen[bytes]:
    """Begin or continue a search on the command line."""
    line = command_of("napari_diatom.cli", "tune", str(folder.path), "--resume")
    return subprocess.Popen(line, stdout=subprocess.DEVNULL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a search with the process that trains for it."""
    there = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for one in there:
        one.send_signal(signal.SIGKILL)
    process.kill()
    process.wait()
    psutil.wait_procs(there, timeout=10)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="search_kills.py"),
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=12, help="trials of a search (12)")
    parser.add_argument("--kills", type=int, default=2, help="how often it is killed (2)")
    parser.add_argument("--task", default="outlines", help="what is trained (outlines)")
    parser.add_argument("--architecture", default="outline/tu-test_efficientnet/16", help="a small network of it")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of a trial (2)")
    parser.add_argument("--crops", type=int, default=32, help="crops of an epoch and of a validation (32)")
    parser.add_argument("--seed", type=int, default=0, help="of the search and of the moments (0)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
