"""PyTorch's files of weights, read without :func:`torch.load`: nothing that they name is imported or called.

Both kinds are read: the zip that PyTorch writes since version 1.6, and the older file of several pickles in a row.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from napari_diatom.core.archives import opened_zip, read_entry, regular
from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines.inert_pickle import (
    LARGEST_PICKLE,
    GlobalReference,
    PersistentReference,
    Pickle,
    ReducedObject,
    read_pickle,
)
from napari_diatom.models.card import LARGEST_WEIGHTS

MOST_PARTS: Final = 100_000
"""Layers and tensors of a network, each counted as often as it is used."""
DEEPEST: Final = 64
"""Layers within layers."""

_OLD: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files from before PyTorch 1.6 begin."""
_TYPES: Final = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ShortStorage": torch.int16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
}
_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
_PARAMETERS: Final = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_TABLES: Final = ("collections.OrderedDict", "collections.defaultdict")
_HARMLESS: Final = (
    *(f"torch.{name}" for name in _TYPES),
    *("torch.BoolStorage", "torch.Size", "torch.device", "torch.storage.UntypedStorage"),
    *(_TENSOR, *_PARAMETERS, *_TABLES),
)


class TorchFile:
    """An open PyTorch file.

    Parameters
    ----------
    path : Path
        For messages.
    pickle : Pickle
        What the file holds but for the numbers of its tensors.
    numbers : callable
        Gives the bytes of a storage by its key and how many they are.

    Attributes
    ----------
    content : object
        What was saved, as :mod:`napari_diatom.engines.inert_pickle` reads it.
    names : list of GlobalReference
        All functions and classes that the file names.
    """

    def __init__(self, path: Path, pickle: Pickle, numbers: Callable[[str, int], bytes]) -> None:
        self.path = path
        self.content = pickle.content
        self.names = pickle.names
        self._numbers = numbers
        self._room = LARGEST_WEIGHTS

    def tensor(self, record: object) -> torch.Tensor:
        """Return the tensor that a record describes, as it was saved.

        Raises
        ------
        ModelError
            When it describes none, one that does not lie within the file, or one with values that are not numbers.
        """
        if isinstance(record, ReducedObject) and _is(record.maker, *_PARAMETERS) and _is_tuple(record.args, 1):
            record = record.args[0]
        if not (isinstance(record, ReducedObject) and _is(record.maker, _TENSOR) and _is_tuple(record.args, 4)):
            raise ModelError(f"{self.path} holds a tensor of an unsupported kind.")
        storage, offset, size, stride = record.args[:4]
        key, dtype, there = self._storage(storage)
        if not (_are_counts(size) and _are_counts(stride) and len(size) == len(stride) <= 8 and _are_counts((offset,))):
            raise ModelError(f"{self.path} is damaged: a tensor has an invalid shape.")
        wanted = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if wanted > there or (wanted and last >= there):
            raise ModelError(f"{self.path} is damaged: a tensor is larger than its stored data.")
        # Many tensors may lie in one storage: what counts is what they take in memory.
        self._room -= max(wanted * 4, there * dtype.itemsize)
        if self._room < 0:
            raise ModelError(f"{self.path} has weights of more than {LARGEST_WEIGHTS / 2**30:.0f} GB.")
        if not wanted:
            return torch.zeros(size, dtype=dtype)
        data = bytearray(self._numbers(key, there * dtype.itemsize))
        if len(data) < there * dtype.itemsize:
            raise ModelError(f"{self.path} is damaged: it ends within a tensor.")
        found = torch.frombuffer(data, dtype=dtype).as_strided(size, stride, offset).clone()
        if not found.isfinite().all():
            raise ModelError(
                f"{self.path} cannot be used: its weights hold values that are infinite or not numbers. The training "
                "that made them went wrong."
            )
        return found

    def tensors(self, table: object) -> dict[str, torch.Tensor]:
        """Return the tensors of a table of names and tensors. Raises like :meth:`tensor`, and where it is none."""
        entries = mapping(table)
        if not entries or len(entries) > MOST_PARTS or not all(isinstance(name, str) for name in entries):
            raise ModelError(f"{self.path} holds no table of tensors.")
        return {name: self.tensor(record) for name, record in entries.items()}

    def state_dict(self, network: ReducedObject) -> dict[str, torch.Tensor]:
        """Return the tensors of a saved network by their names, as its ``state_dict`` would.

        Raises
        ------
        ModelError
            When it is not a network, or is built of more than :data:`MOST_PARTS` or deeper than :data:`DEEPEST`.
        """
        found: dict[str, torch.Tensor] = {}
        known: dict[int, torch.Tensor] = {}
        for number, (name, record) in enumerate(self._parts(network, "", 0)):
            if number >= MOST_PARTS:
                raise ModelError(f"{self.path} holds a network of more than {MOST_PARTS:,} parts.")
            if record is not None:
                if id(record) not in known:
                    known[id(record)] = self.tensor(record)
                found[name] = known[id(record)]
        return found

    def _parts(self, layer: object, before: str, depth: int) -> Iterator[tuple[str, object]]:
        """Yield the names and records of a layer's tensors and those of its own layers, and each layer as None."""
        state = layer.state if isinstance(layer, ReducedObject) else None
        if depth > DEEPEST or not isinstance(state, dict):
            raise ModelError(f"{self.path} is damaged: {before.rstrip('.')[:100] or 'the network'} is not a layer.")
        yield before, None
        passing = state.get("_non_persistent_buffers_set")
        unsaved = _texts(passing.args[0] if isinstance(passing, ReducedObject) and _is_tuple(passing.args, 1) else ())
        unsaved |= _texts(passing.items if isinstance(passing, ReducedObject) else ())
        for kind in ("_parameters", "_buffers"):
            for name, record in mapping(state.get(kind)).items():
                if record is not None and not (kind == "_buffers" and name in unsaved):
                    yield f"{before}{name}", record
        for name, inner in mapping(state.get("_modules")).items():
            if inner is not None:
                yield from self._parts(inner, f"{before}{name}.", depth + 1)

    def _storage(self, record: object) -> tuple[str, torch.dtype, int]:
        """Return the key, the type and the number of elements of what a tensor lies in."""
        key: Any = record.key if isinstance(record, PersistentReference) else None
        if _is_tuple(key, 5) and key[0] == "storage" and isinstance(key[2], str) and _are_counts(key[4:5]):
            dtype = _dtype(key[1])
            if dtype is not None and (len(key) == 5 or key[5] is None):
                return key[2], dtype, key[4]
        raise ModelError(f"{self.path} holds a tensor of an unsupported kind.")


@contextlib.contextmanager
def open_checkpoint(path: Path) -> Iterator[TorchFile]:
    """Open a PyTorch file to read weights from it.

    Raises
    ------
    ModelError
        When it cannot be read, is no such file, or is larger than any honest one.
    """
    try:
        with regular(path) as stream:
            begin = stream.read(len(_OLD))
            if begin == _OLD:
                yield _old(path, stream)
                return
            if not begin.startswith(b"PK"):
                raise InputError(f"{path} is not a PyTorch checkpoint.")
        with opened_zip(path, "a PyTorch checkpoint") as archive:
            yield _new(path, archive)
    except InputError as error:
        raise ModelError(str(error)) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {reason(error)}") from error


def mapping(record: object) -> Mapping[Any, Any]:
    """Return the entries of a saved dict, or of one that keeps its order; none of anything else."""
    if isinstance(record, dict):
        return record
    if isinstance(record, ReducedObject) and _is(record.maker, *_TABLES):
        return record.entries
    return {}


def check_plain(path: Path) -> None:
    """Check that a file holds nothing but numbers, text, tables and tensors, so that torch may load it.

    Raises
    ------
    ModelError
        When it names any other class or function, or is no PyTorch file.
    """
    with open_checkpoint(path) as checkpoint:
        strange = sorted({str(name) for name in checkpoint.names if not name.is_one_of(*_HARMLESS)})
    if strange:
        raise ModelError(f"{path} asks for code that a file of weights must not need: {', '.join(strange[:5])}.")


def _new(path: Path, archive: zipfile.ZipFile) -> TorchFile:
    """Return what is in the zip of newer versions."""
    pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise InputError(f"{path} is not a PyTorch checkpoint: it is a zip without the one data.pkl of such files.")
    home = pickles[0].removesuffix("data.pkl")
    names = set(archive.namelist())
    if f"{home}constants.pkl" in names:
        raise InputError(f"{path} is a TorchScript program, not a checkpoint; save the model itself.")
    order = f"{home}byteorder"
    if order in names and read_entry(archive, order, 16) != b"little":
        raise InputError(f"{path} was written on a machine of another byte order; save it again on this kind.")
    content = read_pickle(io.BytesIO(read_entry(archive, pickles[0], LARGEST_PICKLE)), path)

    def numbers(key: str, size: int) -> bytes:
        return read_entry(archive, f"{home}data/{key}", size)

    return TorchFile(path, content, numbers)


def _old(path: Path, stream: BinaryIO) -> TorchFile:
    """Return what is in a file from before version 1.6, whose stream stands behind its first pickle."""
    version, machine, content, keys = (read_pickle(stream, path) for _ in range(4))
    order = mapping(machine.content).get("little_endian", True)
    if version.content != 1001 or order is not True or not isinstance(keys.content, list):
        raise InputError(f"{path} is a PyTorch checkpoint of an unsupported version.")
    types = {
        record.key[2]: _dtype(record.key[1])
        for record in content.outside
        if _is_tuple(record.key, 5) and isinstance(record.key[2], str)
    }
    places: dict[str, tuple[int, int]] = {}
    for key in keys.content:
        dtype = types.get(key) if isinstance(key, str) else None
        head = stream.read(8)
        if dtype is None or len(head) < 8 or (count := struct.unpack("<q", head)[0]) < 0:
            raise InputError(f"{path} is damaged, or holds numbers of an unsupported kind.")
        places[key] = (stream.tell(), count * dtype.itemsize)
        stream.seek(min(count * dtype.itemsize, 2**62), io.SEEK_CUR)

    def numbers(key: str, size: int) -> bytes:
        place, there = places.get(key, (0, 0))
        stream.seek(place)
        return stream.read(min(size, there))

    return TorchFile(path, content, numbers)


def _dtype(name: object) -> torch.dtype | None:
    """Return the type of the numbers in a storage by the name of its class."""
    return _TYPES.get(name.name) if isinstance(name, GlobalReference) and name.module == "torch" else None


def _is(maker: object, *dotted: str) -> bool:
    """Tell whether a record is made by one of these names."""
    return isinstance(maker, GlobalReference) and maker.is_one_of(*dotted)


def _is_tuple(value: object, least: int) -> bool:
    """Tell whether something is a tuple of at least that length."""
    return isinstance(value, tuple) and len(value) >= least


def _are_counts(values: object) -> bool:
    """Tell whether something is a tuple of whole numbers of 0 or more that fit in 48 bits."""
    return isinstance(values, tuple) and all(type(value) is int and 0 <= value < 2**48 for value in values)


def _texts(values: object) -> set[str]:
    """Return the texts of a list or tuple."""
    return {value for value in values if isinstance(value, str)} if isinstance(values, list | tuple) else set()
