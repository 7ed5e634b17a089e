"""The tables of a run that was counted in shards, made of what each of them has left in the folder of results.

The same images give the same bytes as in one run, whatever the number of shards and their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few, many
from napari_diatom.counting.batch_options import BatchResult, Skipped
from napari_diatom.counting.image_outputs import Outputs
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.results_folder import ResultsFolder, read_part
from napari_diatom.counting.run_output import CountedImages, write_stored
from napari_diatom.counting.run_record import tile_counts
from napari_diatom.counting.shard_record import ShardRecord
from napari_diatom.images.image_files import RESULTS_MARK

_NAMED: Final = 5
"""Missing images that an error names."""
_COMPARED: Final = ("processor", "python", "packages", "system")
"""What of ``run.json`` may differ between shards, and is told then."""


@dataclass(frozen=True)
class MergedShards:
    """What came of a merge.

    Attributes
    ----------
    result : BatchResult
        As of one run.
    warnings : tuple of str
        What differs between the machines that counted, in sentences.
    """

    result: BatchResult
    warnings: tuple[str, ...]


def merge_shards(out: Path, xlsx: bool = False) -> MergedShards:
    """Write the tables and ``run.json`` of all images that shards have counted into a folder.

    Parameters
    ----------
    out : Path
        The folder of results.
    xlsx : bool
        Whether to write the tables as XLSX, too.

    Raises
    ------
    InputError
        When no shard has ended there, some images are missing (they are named), the shards did not see the same
        images, or not one image was counted.
    OutputError
        When the tables cannot be written.
    """
    folder = ResultsFolder(out)
    if not (out / RESULTS_MARK).is_dir() or not folder.records():
        raise InputError(f"{out} holds nothing that a shard has counted (--shard I/N).")
    with folder.held():
        records = {path.name.split(".")[0].replace("-of-", "/"): ShardRecord.read(path) for path in folder.records()}
        first = _checked(out, records)
        parts: list[Path] = []
        outputs: list[Outputs] = []
        skipped = [Skipped(item.image, item.reason) for item in first.passed_over]
        results: list[ImageResult] = []
        known = {name: file for record in records.values() for name, file in record.counted.items()}
        for name in first.files:
            file = known[name]
            skipped += [Skipped(item.image, item.reason) for item in file.skipped]
            for image in file.images:
                part = out / RESULTS_MARK / image.part
                result = read_part(part, first.named, first.outlined)
                _check_files(out, image.outputs)
                results.append(replace(result, specimens=(), facts=image.facts))
                parts.append(part)
                outputs.append(image.outputs)
        if not results:
            raise InputError(f"None of {many(len(skipped), 'image')} in {out} could be counted: {skipped[0].reason}")
        counted = CountedImages(results, outputs, parts, skipped)
        write_stored(folder, counted, _record(records, counted), xlsx, first.named, first.outlined)
    return MergedShards(BatchResult(tuple(results), tuple(skipped)), tuple(_differences(records)))


def _checked(out: Path, records: Mapping[str, ShardRecord]) -> ShardRecord:
    """Return the first record, when all have seen the same files and each file is counted."""
    names = iter(records.items())
    one, first = next(names)
    for other, record in names:
        if record.files != first.files:
            strange = sorted(set(record.files) ^ set(first.files))
            raise InputError(
                f"Shards {one} and {other} in {out} did not see the same images ({first_few(strange, _NAMED)}): "
                "count both again."
            )
    done = {name for record in records.values() for name in record.counted}
    if missing := [name for name in first.files if name not in done]:
        ended = ", ".join(records)
        raise InputError(
            f"{many(len(missing), 'image')} of {len(first.files):,} in {out} {'is' if len(missing) == 1 else 'are'} "
            f"missing: {first_few(missing, _NAMED)}. These shards have ended: {ended}. Run the others, then merge."
        )
    return first


def _check_files(out: Path, outputs: Outputs) -> None:
    """Refuse results whose files are gone."""
    for path in outputs.all:
        if not (out / path).is_file():
            raise InputError(f"{out / path} is missing: run its shard again, then merge.")


def _record(records: Mapping[str, ShardRecord], counted: CountedImages) -> dict[str, Any]:
    """Return what ``run.json`` says of all shards together."""
    runs = [record.run for record in records.values()]
    shards = [
        {"shard": name, **{key: record.run.get(key) for key in ("processor", "threads", "started", "seconds")}}
        for name, record in records.items()
    ]
    return runs[0] | {
        "started": min(str(run.get("started")) for run in runs),
        "seconds": round(sum(float(run.get("seconds") or 0) for run in runs), 3),
        "exit_status": 3 if counted.skipped else 0,
        **tile_counts(counted.results),
        "images": [result.facts for result in counted.results],
        "skipped": [{"image": item.image, "reason": item.reason} for item in counted.skipped],
        "shards": shards,
    }


def _differences(records: Mapping[str, ShardRecord]) -> Iterator[str]:
    """Yield what differs between the machines of shards."""
    for key in _COMPARED:
        values: dict[str, list[str]] = {}
        for name, record in records.items():
            values.setdefault(str(record.run.get(key)), []).append(name)
        if len(values) > 1:
            told = "; ".join(f"{', '.join(names[:3])}: {value[:60]}" for value, names in values.items())
            yield f"Shards were counted with different {key}, so the last decimals may differ ({told})."
