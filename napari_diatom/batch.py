"""Counting many images: one after the other, each result written whole, resumed where it was interrupted.

``OUT/.napari-diatom/settings.json`` holds the options of the run and ``OUT/.napari-diatom/<key>.json`` the result of
an image, written after its annotations and overlay. The tables are made from these parts in the order of the inputs,
so a resumed run gives the bytes of an undisturbed one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, Final

from napari_diatom import __version__, tables
from napari_diatom.analysis import AnalysisOptions, analyse
from napari_diatom.engines.base import AnyEngine, MapEngine, Namer
from napari_diatom.errors import InputError, OutputError
from napari_diatom.exports import is_written, write_masks
from napari_diatom.files import reason, write_atomically
from napari_diatom.formats import Annotations, geojson
from napari_diatom.imaging import RESULT_FOLDERS, RESULTS_MARK, SlideImage, find_images, open_images
from napari_diatom.measure import Protocol
from napari_diatom.models.card import MASK_TASKS, ModelCard, NamingFacts
from napari_diatom.overlays import write_overlay
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent
from napari_diatom.tables import ImageResult

ANNOTATIONS, OVERLAYS, MASKS = RESULT_FOLDERS

_SETTINGS: Final = "settings.json"
_TABLES: Final = (tables.SPECIMENS_CSV, tables.COUNTS_CSV, tables.TABLES_XLSX, tables.RUN_JSON)
_PACKAGES: Final = (
    "numpy",
    "opencv-python-headless",
    "tifffile",
    "imagecodecs",
    "Pillow",
    "torch",
    "timm",
    "ultralytics-opencv-headless",
    "openvino",
)


@dataclass(frozen=True)
class Batch:
    """What to count, and where to put the results.

    Attributes
    ----------
    inputs : tuple of str
        Files, folders and patterns.
    out : Path
        Folder of the results.
    options : AnalysisOptions
        Of the analysis.
    protocol : Protocol
        What counts.
    sample : str or None
        Sample that all images belong to; None takes the name of each image's folder.
    overlays, masks, xlsx : bool
        Whether to write overlays, masks as label images and COCO, and the tables as XLSX too.
    resume : bool
        Go on with an interrupted run.
    overwrite : bool
        Begin anew where ``out`` holds results.
    """

    inputs: tuple[str, ...]
    out: Path
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    protocol: Protocol = field(default_factory=Protocol)
    sample: str | None = None
    overlays: bool = True
    masks: bool = False
    xlsx: bool = False
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Skipped:
    """An image that could not be counted, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class BatchResult:
    """What a batch came to.

    Attributes
    ----------
    images : tuple of ImageResult
        In the order of the inputs, a result per page of a file of several; without the rows of specimens, which are
        in ``specimens.csv``.
    skipped : tuple of Skipped
        Files and pages that could not be counted.
    """

    images: tuple[ImageResult, ...]
    skipped: tuple[Skipped, ...]


def count(
    batch: Batch,
    load: Callable[[], AnyEngine],
    report: Report = silent,
    should_stop: ShouldStop = never,
    load_namer: Callable[[], Namer] | None = None,
) -> BatchResult:
    """Count the specimens in many images and write annotations, overlays, tables and ``run.json``.

    Parameters
    ----------
    batch : Batch
        Inputs, output and options.
    load : callable
        Loads the network; called once inputs and output have proved usable.
    report, should_stop
        See :mod:`napari_diatom.progress`; reports ``"images"`` per file, ``"tiles"`` and ``"names"`` within.
    load_namer : callable, optional
        Loads the network that names what was found, beside ``load``; taxa are counted then, not classes.

    Raises
    ------
    InputError
        When there is nothing to count, not one image can be read, or the options do not fit the folder of results.
    OutputError
        When results cannot be written; those of finished images stay for ``resume``.
    ModelError
        When a network cannot be loaded, or is for another task.
    Stopped
        When a stop was asked for; finished images stay for ``resume``.
    """
    started = time.perf_counter()
    began = datetime.now(UTC)
    sources = plan_sources(find_images(batch.inputs), batch.sample)
    created = _prepare(batch)
    journal = batch.out / RESULTS_MARK
    try:
        engine = load()
        namer = None if load_namer is None else load_namer()
        if batch.masks and engine.card.task not in MASK_TASKS:
            raise InputError(
                f"Model {engine.card.name} finds boxes, not masks; choose one for maps or instances "
                "(see `napari-diatom models list`)."
            )
        if batch.overwrite:
            _clear(batch.out)
        _settle(journal, batch, engine, namer)
        results: list[ImageResult] = []
        parts: list[Path] = []
        skipped: list[Skipped] = []
        for number, source in enumerate(sources):
            report(Progress("images", number, len(sources), source.name))
            check(should_stop)
            for image in _opened(source, batch.options.pixel_size_um, skipped):
                try:
                    part = _part(journal, source, image)
                    result = _stored(part, batch, source, image)
                    if result is None:
                        result = _count_one(image, source, batch, engine, namer, report, should_stop)
                        write_atomically(part, result.to_json())
                except InputError as error:
                    skipped.append(Skipped(image.name, str(error)))
                    continue
                # The rows of specimens stay on disk: memory does not grow with the number of images.
                results.append(replace(result, specimens=()))
                parts.append(part)
        if not results:
            others = f" None of the other {len(skipped) - 1} could be counted either." if len(skipped) > 1 else ""
            raise InputError(skipped[0].reason + others)
    except BaseException:
        _discard_empty(journal, created)
        raise
    report(Progress("images", len(sources), len(sources)))
    tables.write_tables(batch.out, lambda: _specimen_rows(parts), results, batch.xlsx, namer is not None)
    run = _run(batch, engine, namer, results, skipped, began, time.perf_counter() - started)
    tables.write_run(batch.out / tables.RUN_JSON, run)
    return BatchResult(tuple(results), tuple(skipped))


@dataclass(frozen=True)
class Source:
    """An image file with its name in the tables and in the folders of results.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        Its path below the folder that all inputs share, with ``/`` on every system.
    stem : str
        The same without its ending, where that leaves no two files alike.
    sample : str
        The sample it belongs to.
    """

    path: Path
    name: str
    stem: str
    sample: str


def plan_sources(paths: Sequence[Path], sample: str | None = None) -> list[Source]:
    """Return files with names that tell them apart, also where file systems ignore case.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
    sample : str, optional
        Sample of all of them; by default the name of each file's folder.
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]
    try:
        root = Path(os.path.commonpath([path.parent for path in absolute]))
        names = [path.relative_to(root).as_posix() for path in absolute]
    except ValueError:  # on several drives of Windows nothing is shared
        names = ["/".join((path.drive.rstrip(":"), *path.parts[1:])).lstrip("/") for path in absolute]
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    shared = Counter(stem.casefold() for stem in stems)
    return [
        Source(path, name, name if shared[stem.casefold()] > 1 else stem, sample or place.parent.name or "sample")
        for path, name, stem, place in zip(paths, names, stems, absolute, strict=True)
    ]


def _opened(source: Source, pixel_size_um: float | None, skipped: list[Skipped]) -> list[SlideImage]:
    """Return the images of a file, named as in the tables; a file that cannot be opened goes to ``skipped``."""
    try:
        images = open_images(source.path, pixel_size_um)
    except InputError as error:
        skipped.append(Skipped(source.name, str(error)))
        return []
    return [image.named(source.name + image.name.removeprefix(source.path.name)) for image in images]


def _outputs(out: Path, source: Source, image: SlideImage) -> tuple[Path, Path]:
    """Return the annotations and the overlay of an image."""
    stem = _stem(source, image)
    return out / ANNOTATIONS / (stem + geojson.SUFFIX), out / OVERLAYS / (stem + ".jpg")


def _stem(source: Source, image: SlideImage) -> str:
    """Return the name of an image in the folders of results, without ending."""
    return source.stem + image.name.removeprefix(source.name)


def _part(journal: Path, source: Source, image: SlideImage) -> Path:
    """Return where the result of an image is stored: it depends on its names and its content."""
    identity = json.dumps([image.name, source.stem, source.sample, image.sha256()])
    return journal / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"


def _count_one(
    image: SlideImage,
    source: Source,
    batch: Batch,
    engine: AnyEngine,
    namer: Namer | None,
    report: Report,
    should_stop: ShouldStop,
) -> ImageResult:
    """Count one image and write its annotations and overlay."""
    started = time.perf_counter()
    analysis = analyse(image, engine, batch.options, report, should_stop)
    kept = analysis.kept
    names = None if namer is None else namer.name(image, kept, report, should_stop).verdicts
    annotations, overlay = _outputs(batch.out, source, image)
    found = Annotations.of(
        kept,
        origins=analysis.origin,
        image=image.name,
        height=image.height,
        width=image.width,
        pixel_size_um=analysis.pixel_size_um,
        names=names or (),
        orientation=image.orientation,
    )
    result = ImageResult.of(analysis, source.sample, batch.protocol, time.perf_counter() - started, image, names)
    geojson.write(annotations, found, tables.measurements(result.specimens, namer is not None))
    if batch.masks:
        write_masks(batch.out / MASKS, _stem(source, image), found)
    if batch.overlays:
        write_overlay(overlay, image, kept)
    image.release()
    return result


def _stored(part: Path, batch: Batch, source: Source, image: SlideImage) -> ImageResult | None:
    """Return the result of an image from an earlier run, if it and its files are there and sound."""
    annotations, overlay = _outputs(batch.out, source, image)
    if not annotations.exists() or (batch.overlays and not overlay.exists()):
        return None
    if batch.masks and not is_written(batch.out / MASKS, _stem(source, image)):
        return None
    try:
        return ImageResult.from_json(part.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, InputError):
        return None


def _specimen_rows(parts: Sequence[Path]) -> Iterator[tables.Row]:
    """Yield the rows of all stored results."""
    for part in parts:
        yield from ImageResult.from_json(part.read_text(encoding="utf-8")).specimens


def _prepare(batch: Batch) -> list[Path]:
    """Make the folder of results and try to write to it; return the folders that had to be made, deepest first."""
    out = batch.out
    try:
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is a file; name a folder for the results.")
        finished = any((out / name).exists() for name in _TABLES)
        if not batch.resume and not batch.overwrite and (finished or can_resume(out)):
            raise InputError(
                f"{out} already holds results: go on with --resume, begin anew with --overwrite, or name another "
                "folder."
            )
        missing = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".{tables.RUN_JSON}.part"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        (out / RESULTS_MARK).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {reason(error)}") from error
    return missing


def _clear(out: Path) -> None:
    """Remove the tables of an earlier run, and what a resumed one would take of it."""
    try:
        for path in (*(out / name for name in _TABLES), *(out / RESULTS_MARK).glob("*.json")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"The results in {out} cannot be replaced: {reason(error)}") from error


def _parts(journal: Path) -> list[Path]:
    """Return the stored results of images."""
    return [path for path in journal.glob("*.json") if path.name != _SETTINGS]


def can_resume(out: Path) -> bool:
    """Return whether a folder holds results of images that a resumed run would take."""
    try:
        return bool(_parts(out / RESULTS_MARK))
    except OSError:
        return False


def _discard_empty(journal: Path, created: list[Path]) -> None:
    """Remove what :func:`_prepare` made when nothing came of the run."""
    if _parts(journal):
        return
    # Whatever else lies there by now stays, and its folder with it.
    with contextlib.suppress(OSError):
        (journal / _SETTINGS).unlink(missing_ok=True)
        journal.rmdir()
        for folder in created:
            folder.rmdir()


def _settle(journal: Path, batch: Batch, engine: AnyEngine, namer: Namer | None) -> None:
    """Write down what the results depend on, or check it against the run that is resumed."""
    now = _fingerprint(batch, engine) | _of_names(namer)
    path = journal / _SETTINGS
    if _parts(journal):
        try:
            before = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{path} is damaged, so the run cannot be resumed: begin anew with --overwrite."
            ) from error
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            details = ", ".join(f"{name} was {before.get(name)}, is {now[name]}" for name in changed)
            raise InputError(
                f"{batch.out} was begun with other settings ({details}): resume with the same, or use --overwrite."
            )
    else:
        write_atomically(path, json.dumps(now, indent=2, ensure_ascii=False) + "\n")


def _fingerprint(batch: Batch, engine: AnyEngine) -> dict[str, Any]:
    """Return all that the result of an image depends on, beside the image."""
    card = engine.card
    return {
        "napari-diatom": __version__,
        "model": f"{card.name} {card.version}",
        "weights": card.sha256,
        "device": engine.device,
        "threshold": card.threshold() if batch.options.threshold is None else batch.options.threshold,
        "pixel size": batch.options.pixel_size_um,
        "overlap": batch.options.overlap,
        "counted statuses": list(batch.protocol.counted),
    } | _of_maps(batch.options, card)


def _of_maps(options: AnalysisOptions, card: ModelCard) -> dict[str, Any]:
    """Return what the results of models that give maps depend on besides."""
    if card.task != "semantic":
        return {}
    scales = None if options.map_scales is None else list(options.map_scales)
    return {"separation": asdict(options.split), "scales of maps": scales}


def _of_names(namer: Namer | None) -> dict[str, Any]:
    """Return what the names of specimens depend on besides."""
    if namer is None:
        return {"namer": None}
    card = namer.card
    facts = {f"namer's {name}": value for name, value in _naming(card).items()}
    return {"namer": card.origin, "namer's weights": card.sha256, **facts}


def _naming(card: ModelCard) -> dict[str, Any]:
    """Return what of a namer's card the names depend on, beside its weights."""
    return {"threshold": card.threshold(), **(card.naming or NamingFacts()).model_dump()}


def _run(
    batch: Batch,
    engine: AnyEngine,
    namer: Namer | None,
    results: Sequence[ImageResult],
    skipped: Sequence[Skipped],
    began: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return what ``run.json`` says."""
    return {
        "program": "napari-diatom",
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(_versions()),
        "started": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "exit_status": 3 if skipped else 0,
        "model": _identity(engine.card),
        "namer": None if namer is None else _identity(namer.card) | _naming(namer.card),
        "device": engine.device,
        "options": _options(batch, engine),
        "protocol": {"counted": list(batch.protocol.counted), "cut_by_edge": "counted", "objects_per_specimen": 1},
        "inputs": list(batch.inputs),
        "images": [result.facts for result in results],
        "skipped": [asdict(item) for item in skipped],
    }


def _identity(card: ModelCard) -> dict[str, Any]:
    """Return what tells a model from all others."""
    return {"name": card.name, "version": card.version, "task": card.task, "sha256": card.sha256}


def _options(batch: Batch, engine: AnyEngine) -> dict[str, Any]:
    """Return the options that results depend on; how maps are split only where there are maps."""
    options = asdict(replace(batch.options, threshold=_fingerprint(batch, engine)["threshold"]))
    of_maps = ("split", "map_scales") if isinstance(engine, MapEngine) else ()
    return {name: options[name] for name in ("threshold", "pixel_size_um", "overlap", *of_maps)}


def _versions() -> Iterator[tuple[str, str]]:
    """Yield the installed packages that results depend on."""
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
