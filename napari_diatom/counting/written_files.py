"""Which files of a folder of results ``count`` has written: nothing else there is replaced or removed.

``written.txt`` names them, a path a line, each before the file itself.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text import folded
from napari_diatom.core.text_files import read_bytes, read_json
from napari_diatom.counting import tables
from napari_diatom.counting.export import mask_files
from napari_diatom.counting.result_names import RESULT_SUFFIXES, Source, earlier_stems
from napari_diatom.counting.shards import Shard
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.image_files import RESULT_FOLDERS, RESULTS_MARK

ANNOTATIONS, OVERLAYS, MASKS = RESULT_FOLDERS
SETTINGS: Final = "settings.json"
"""The options of a run, in its journal."""
WRITTEN: Final = "written.txt"
_SHARDS: Final = "written-*.txt"
"""The lists of shards."""

_PAGE: Final = re.compile(r"#\d+$")


class WrittenFiles:
    """The results of images in a folder that runs of ``count`` have written.

    Parameters
    ----------
    out : Path
        The folder of results.
    shard : Shard, optional
        Which of the images the run counts; it has a list of its own beside those of the others.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        self._out = out
        self._journal = out / RESULTS_MARK
        self._list = self._journal / (WRITTEN if shard is None else f"written-{shard.name}.txt")
        self.paths: set[str] = set()
        self._known: set[str] = set()
        """The same, as file systems may hold them to be the same."""

    def recall(self, sources: Sequence[Source], parts: Sequence[Path]) -> None:
        """Find out what earlier runs have written, from the list or, where that is not sound, from other traces.

        Parameters
        ----------
        sources : sequence of Source
            The files of this run.
        parts : sequence of Path
            The stored results of images.
        """
        self.paths, is_whole = self.listed(parts)
        if not is_whole:
            self.paths |= self._earlier(sources, parts)

    def settle(self, paths: Iterable[str]) -> None:
        """Write the list of what was written again, so that it ends with a whole line.

        That of a whole run takes the place of those of shards.

        Raises
        ------
        OutputError
            When there is no room for that.
        """
        self.paths = set(paths)
        self._known = set(map(folded, self.paths))
        write_atomically(self._list, "".join(f"{path}\n" for path in sorted(self.paths)))
        if self._list.name == WRITTEN:
            with refused(self._out):
                for path in self._journal.glob(_SHARDS):
                    path.unlink(missing_ok=True)

    def claim(self, paths: Sequence[str]) -> None:
        """Write down that files are about to be written.

        Raises
        ------
        InputError
            When one of them is there and was not written by ``count``.
        OutputError
            When there is no room for that.
        """
        for path in paths:
            if folded(path) not in self._known and os.path.lexists(self._out / path):
                raise InputError(
                    f"{self._out / path} is in the way, and was not written by a count: move it elsewhere, or name "
                    "another folder for the results."
                )
        new = [path for path in paths if path not in self.paths]
        self.paths.update(new)
        self._known.update(map(folded, new))
        with refused(self._out), self._list.open("ab") as stream:
            stream.write("".join(f"{path}\n" for path in new).encode())
            stream.flush()
            os.fsync(stream.fileno())

    def listed(self, parts: Sequence[Path]) -> tuple[set[str], bool]:
        """Return what the lists name, and whether they are there and sound."""
        lists = list(self._journal.glob(_SHARDS))
        if not lists or (self._journal / WRITTEN).exists():
            lists.append(self._journal / WRITTEN)
        found = [self._in_list(path, parts) for path in lists]
        return set[str]().union(*(paths for paths, _ in found)), all(is_whole for _, is_whole in found)

    @staticmethod
    def _in_list(path: Path, parts: Sequence[Path]) -> tuple[set[str], bool]:
        """Return what a list names, and whether it is there and sound."""
        try:
            text = read_bytes(path).decode("utf-8", "replace")
        except InputError:
            return set(), False
        # A last line that was cut off was not followed by a file.
        *lines, rest = text.split("\n")
        found = {line for line in lines if _is_result(line)}
        # One shard of many may have written nothing yet.
        is_used = bool(found or not parts or path.name != WRITTEN)
        return found, len(found) == len(set(lines)) and not rest and is_used

    def _earlier(self, sources: Sequence[Source], parts: Sequence[Path]) -> set[str]:
        """Return what runs without a sound list have written, by the names of their images."""
        if not (self._journal / SETTINGS).exists() and not (self._out / tables.RUN_JSON).exists():
            return set()
        images = list(_names(parts, self._out / tables.RUN_JSON))
        files = [_PAGE.sub("", name) for name in images]
        stems = dict(zip(set(files), earlier_stems(list(set(files))), strict=True))
        candidates = {source.stem for source in sources}
        candidates.update(stems[file] + name.removeprefix(file) for file, name in zip(files, images, strict=True))
        paths = [f"{ANNOTATIONS}/{stem}{geojson.SUFFIX}" for stem in candidates]
        paths += [f"{OVERLAYS}/{stem}.jpg" for stem in candidates]
        paths += [path.as_posix() for stem in candidates for path in mask_files(Path(MASKS), stem)]
        return {path for path in paths if _is_result(path) and (self._out / path).is_file()}


@contextlib.contextmanager
def refused(out: Path) -> Iterator[None]:
    """Turn what the system says of a folder of results into our error."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename or out} cannot be written: {reason(error)}") from error


def _names(parts: Sequence[Path], run: Path) -> Iterator[str]:
    """Yield the names of images that a run of an earlier version has met, as far as that is known."""
    entries: list[Any] = []
    for part in parts:
        with contextlib.suppress(InputError):
            entries.append(read_json(part, "the stored result of an image"))
    with contextlib.suppress(InputError):
        record = read_json(run, "the record of a run")
        if isinstance(record, dict):
            for listed in (record.get("images"), record.get("skipped")):
                entries += listed if isinstance(listed, list) else []
    for entry in entries:
        name = entry.get("image") if isinstance(entry, dict) else None
        if isinstance(name, str) and PurePosixPath(name).name:
            yield name


def _is_result(path: str) -> bool:
    """Return whether a path from a file of anybody's is that of an image's results, and of nothing else."""
    parts = PurePosixPath(path).parts
    foreign = "\0" in path or ".." in parts or (os.name == "nt" and any(letter in path for letter in ":\\"))
    return not foreign and len(parts) > 1 and parts[0] in RESULT_FOLDERS and path.endswith(RESULT_SUFFIXES)
