"""What decoders say of damaged files, in words for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError


@contextmanager
def decoding(path: Path, kind: str = "is damaged") -> Iterator[None]:
    """Turn whatever a decoder raises into InputError.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What is said of the file where the decoder does not understand it, such as ``"is damaged"``.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except MemoryError:
        raise InputError(f"{path} needs more memory than there is; save it as a tiled TIFF.") from None
    except Exception as error:  # codecs meet damaged data with errors of many kinds
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} {kind}: {text[:200].rstrip('.')}.") from error


def check_need(what: str, need: int, largest: int, remedy: str) -> None:
    """Raise InputError where decoding would need more memory than is allowed.

    Parameters
    ----------
    what : str
        What needs it, as the sentence begins, such as ``"a.tif has a tile that"``.
    need, largest : int
        Bytes that are needed, and that are allowed.
    remedy : str
        How else to save the image, such as ``"save it in smaller tiles"``.
    """
    if need > largest:
        raise InputError(
            f"{what} needs {-(-need >> 20):,} MB to be decoded, and {largest >> 20:,} MB are allowed; {remedy}, or "
            "allow more (--max-decode-mb)."
        )
