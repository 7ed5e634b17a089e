"""Files that try to have code run, and what shows whether it was."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest


class Trap:
    """Where hostile files are written, and the file that they would make if anything in them was run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sentinel = folder / "RAN"

    @property
    def code(self) -> str:
        """An expression that makes the sentinel."""
        return f"__import__('pathlib').Path({str(self.sentinel)!r}).write_text('x')"

    @property
    def layout(self) -> str:
        """A network of Ultralytics whose activation is that expression."""
        return (
            f"nc: 1\nactivation: {self.code}\nscales: {{n: [0.5, 0.25, 1024]}}\n"
            "backbone: [[-1, 1, Conv, [16, 3, 2]]]\nhead: [[[-1], 1, Detect, [nc]]]\n"
        )

    def sprung(self) -> bool:
        """Tell whether anything was run."""
        return self.sentinel.exists()


class Call:
    """Is pickled as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def refuse_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse every connection and return the list of those that were tried."""
    tried: list[Any] = []

    def refuse(*address: Any, **_: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    return tried
