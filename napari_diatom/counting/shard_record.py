"""What a shard says at its end of its images, so that the tables of all shards can be made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.core.validation_messages import faults
from napari_diatom.counting.batch_options import Networks, Skipped
from napari_diatom.counting.image_outputs import Outputs
from napari_diatom.counting.results_folder import ResultsFolder
from napari_diatom.counting.run_output import CountedImages


class _Plain(BaseModel):
    """Plain data of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SkippedImage(_Plain):
    """An image that is not counted, and why."""

    image: str
    reason: str


class ShardImage(_Plain):
    """A counted image: the file of its result, the files that were written, and what ``run.json`` says of it."""

    part: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.json$")]
    annotations: str
    overlay: str | None
    masks: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def outputs(self) -> Outputs:
        """The files."""
        return Outputs(self.annotations, self.overlay, self.masks)


class ShardFile(_Plain):
    """What came of the images of a file."""

    images: tuple[ShardImage, ...] = ()
    skipped: tuple[SkippedImage, ...] = ()


class ShardRecord(_Plain):
    """What a shard says at its end.

    Attributes
    ----------
    run : dict
        What ``run.json`` says of a run, without images.
    named, outlined : bool
        Whether taxa were named, and boxes outlined.
    files : tuple of str
        The names of all files of all shards, in their order.
    counted : dict
        What came of this shard's, by name.
    passed_over : tuple of SkippedImage
        What no shard counts.
    """

    run: dict[str, Any]
    named: bool
    outlined: bool
    files: tuple[str, ...]
    counted: dict[str, ShardFile]
    passed_over: tuple[SkippedImage, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record. Raises InputError where it is none, or damaged."""
        try:
            return cls.model_validate(read_json(path, "the record of a shard"))
        except ValidationError as error:
            raise InputError(f"{path} is not the record of a shard: {'; '.join(faults(error, cls)[:3])}.") from None


def write_shard(
    folder: ResultsFolder,
    run: Mapping[str, Any],
    files: Sequence[str],
    counted: Mapping[str, CountedImages],
    passed_over: Sequence[Skipped],
    networks: Networks,
) -> None:
    """Write the record of a shard.

    Parameters
    ----------
    folder : ResultsFolder
        Of the shard.
    run : Mapping
        What ``run.json`` says of a run, without images.
    files : sequence of str
        Names of all files of all shards.
    counted : Mapping of str to CountedImages
        What came of this shard's files.
    passed_over : sequence of Skipped
        What no shard counts.
    networks : Networks
        Of the shard.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    record = ShardRecord(
        run=dict(run),
        named=networks.named,
        outlined=networks.outlined,
        files=tuple(files),
        counted={name: _of_file(images) for name, images in counted.items()},
        passed_over=_skipped(passed_over),
    )
    write_atomically(folder.record(), json.dumps(record.model_dump(mode="json"), ensure_ascii=False) + "\n")


def _of_file(counted: CountedImages) -> ShardFile:
    """Return what came of the images of a file."""
    images = tuple(
        ShardImage(part=part.name, **asdict(outputs), facts=result.facts)
        for result, outputs, part in zip(counted.results, counted.outputs, counted.parts, strict=True)
    )
    return ShardFile(images=images, skipped=_skipped(counted.skipped))


def _skipped(items: Sequence[Skipped]) -> tuple[SkippedImage, ...]:
    return tuple(SkippedImage(image=item.image, reason=item.reason) for item in items)
