"""Pickles read as data: nothing that a pickle names is looked up, imported or called.

A pickle is a small program that says which functions to call with what. Here a function's name is a
:class:`GlobalReference`, what a call would return is a :class:`ReducedObject`, and what lies outside of the pickle is a
:class:`PersistentReference`. Whoever reads them decides by their names what they stand for.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol, cast

from napari_diatom.core.errors import InputError

MOST_STEPS: Final = 1_000_000
"""Of a pickle's program; a large network's has a tenth of that."""
LARGEST_PICKLE: Final = 2**26
"""Bytes of a pickle, the tensors not among them."""

_LARGEST_KEY: Final = 2**53
"""Of whole numbers as keys: with larger ones a table can be built that takes hours to fill."""


class ByteStream(Protocol):
    """Where a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Return a line of up to ``size`` bytes."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class GlobalReference:
    """The name of a function or class in a pickle, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        """Return the dotted name, cut where it is longer than a name."""
        return f"{self.module}.{self.name}"[:100]

    def is_one_of(self, *dotted: str) -> bool:
        """Tell whether this is one of these names."""
        return f"{self.module}.{self.name}" in dotted


@dataclass(eq=False, slots=True)
class ReducedObject:
    """An object that a pickle asks to be built by a call; it is not built.

    Attributes
    ----------
    maker : object
        What would be called, a :class:`GlobalReference` where the file is honest.
    args : object
        With what, a tuple where the file is honest.
    state : object
        What the new object would be given to keep: the attributes of most objects.
    items : list
        What would be appended or added to it.
    entries : dict
        What would be put into it by key.
    """

    maker: Any
    args: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class PersistentReference:
    """A reference to data outside of the pickle, such as the values of a tensor."""

    key: Any


@dataclass(frozen=True, eq=False)
class Pickle:
    """What a pickle holds.

    Attributes
    ----------
    content : object
        Numbers, text, lists, tuples, dicts, and the records of this module. Entries of a dict whose keys are neither
        text nor numbers are left out. Lists and dicts may hold themselves: follow them to a bounded depth.
    names : list of GlobalReference
        All names in it, whether they are used or not.
    outside : list of PersistentReference
        All that lies outside, in the order in which it is named.
    """

    content: Any
    names: list[GlobalReference]
    outside: list[PersistentReference]


def read_pickle(stream: ByteStream, source: object) -> Pickle:
    """Read the pickle that begins where the stream stands, and leave the stream behind its end.

    Raises
    ------
    InputError
        When it is not a pickle, damaged, or over :data:`MOST_STEPS` or :data:`LARGEST_PICKLE`; ``source`` is named.
    """
    machine = _Machine()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], _Counted(stream)))):
            if step >= MOST_STEPS:
                raise ValueError(f"its pickle has more than {MOST_STEPS:,} steps")
            machine.do(opcode.name, argument)
        return Pickle(machine.stack.pop(), machine.names, machine.outside)
    except (ValueError, OverflowError, TypeError, IndexError, KeyError, AttributeError, MemoryError) as error:
        what = str(error) if type(error) is ValueError else "its pickle is damaged"
        raise InputError(f"{source} cannot be read: {' '.join(what.split())[:200]}.") from None


class _Counted:
    """A stream that is read only up to the size that a pickle may have."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._left = LARGEST_PICKLE

    def _take(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"its pickle has more than {LARGEST_PICKLE / 2**20:.0f} MB")
        return data

    def read(self, size: int) -> bytes:
        return self._take(self._stream.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._take(self._stream.readline(self._left + 1))


class _Machine:
    """The stack and the memory of a pickle's program, whose steps only ever make records."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.names: list[GlobalReference] = []
        self.outside: list[PersistentReference] = []
        self._below: list[list[Any]] = []
        self._memory: dict[int, Any] = {}

    def do(self, opcode: str, argument: Any) -> None:
        """Take a step."""
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        elif opcode not in _WITHOUT_EFFECT:
            raise ValueError(f"its pickle has a step that no file of weights needs ({opcode})")

    def _since_mark(self) -> list[Any]:
        """Return what was put on the stack since the last mark, and take both away."""
        items, self.stack = self.stack, self._below.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def _pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _put(self, place: Any) -> None:
        self._memory[len(self._memory) if place is None else place] = self.stack[-1]

    def _get(self, place: Any) -> None:
        self.stack.append(self._memory[place])

    def _tuple(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(tuple(items))

    def _short_tuple(self, number: int) -> None:
        items = self.stack[-number:]
        if len(items) < number:
            raise IndexError
        self.stack[-number:] = [tuple(items)]

    def _list(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(items)

    def _dict(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._set(items)

    def _frozenset(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(ReducedObject(GlobalReference("builtins", "frozenset"), (), items=items))

    def _add(self, items: list[Any]) -> None:
        """Append to the list, or add to what would be one, on top of the stack."""
        top = self.stack[-1]
        (top.items if isinstance(top, ReducedObject) else top).extend(items)

    def _set(self, items: list[Any]) -> None:
        """Put keys and values into the dict, or what would be one, on top of the stack."""
        top = self.stack[-1]
        entries = top.entries if isinstance(top, ReducedObject) else top
        if not isinstance(entries, dict):
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if (
                isinstance(key, str | float | GlobalReference)
                or key is None
                or (type(key) is int and abs(key) < _LARGEST_KEY)
            ):
                entries[key] = value

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        self.names.append(GlobalReference(module, name))
        self.stack.append(self.names[-1])

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _call(self, _: Any) -> None:
        args, maker = self.stack.pop(), self.stack.pop()
        self.stack.append(ReducedObject(maker, args))

    def _call_with_words(self, _: Any) -> None:
        words, args, maker = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(ReducedObject(maker, (args, words)))

    def _instance(self, argument: str) -> None:
        args = tuple(self._since_mark())
        self._global(argument)
        self.stack.append(ReducedObject(self.stack.pop(), args))

    def _object(self, _: Any) -> None:
        maker, *args = self._since_mark()
        self.stack.append(ReducedObject(maker, tuple(args)))

    def _build(self, _: Any) -> None:
        state, top = self.stack.pop(), self.stack[-1]
        if not isinstance(top, ReducedObject):
            raise TypeError
        top.state = state

    def _outside(self, _: Any) -> None:
        self.outside.append(PersistentReference(self.stack.pop()))
        self.stack.append(self.outside[-1])


_VALUES: Final = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    )
)
"""Steps that put their argument on the stack."""
_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: ReducedObject(GlobalReference("builtins", "set"), ()),
}
_WITHOUT_EFFECT: Final = frozenset(("PROTO", "FRAME", "STOP"))
_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._pop,
    "POP_MARK": _Machine._pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "PUT": _Machine._put,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._put,
    "GET": _Machine._get,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._short_tuple(1),
    "TUPLE2": lambda machine, _: machine._short_tuple(2),
    "TUPLE3": lambda machine, _: machine._short_tuple(3),
    "LIST": _Machine._list,
    "DICT": _Machine._dict,
    "FROZENSET": _Machine._frozenset,
    "APPEND": lambda machine, _: machine._add([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine._add(machine._since_mark()),
    "ADDITEMS": lambda machine, _: machine._add(machine._since_mark()),
    "SETITEM": lambda machine, _: machine._set([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "NEWOBJ_EX": _Machine._call_with_words,
    "INST": _Machine._instance,
    "OBJ": _Machine._object,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._outside,
}
