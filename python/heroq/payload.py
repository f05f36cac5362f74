"""How values are written as payloads: bytes and text as they are, all else as JSON. Never a pickle.

Reading is in codec.py, which takes longer to import and is only needed by who has handlers.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _heroq
from .errors import PayloadError

#: a payload that goes in
Data = bytes | bytearray | memoryview | str | None

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:

    class Json:
        """Annotation: whatever JSON can say, unchecked."""


#: makes a value out of parsed JSON, or raises Misfit
Reader = Callable[[Any], Any]


class Codec:
    """How the values of one annotation are written and read. `read`, where there is one, takes parsed JSON instead."""

    __slots__ = ("decode", "encode", "read")

    def __init__(self, encode: Callable[[Any], Data], decode: Callable[[bytes], Any], read: Reader | None = None):
        self.encode, self.decode, self.read = encode, decode, read


#: answers a Codec for an annotation, or None
Hook = Callable[[Any], Codec | None]
hooks: list[Hook] = []


def add_hook(hook: Hook) -> Hook:
    """Asks `hook` about every annotation, also those inside others, before heroq's own codecs; the newest first.

    It answers a Codec, or None for an annotation that is not its own. A ValueError of the codec fails the job at once.
    """
    hooks.insert(0, hook)
    return hook


def _plain(value: Any) -> Any:
    """What json has no form for, as what it has one for."""
    if hasattr(type(value), "__dataclass_fields__"):
        fields = sys.modules["dataclasses"].fields(value)
        return {field.name: getattr(value, field.name) for field in fields if field.init}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (base("uuid", "UUID"), base("decimal", "Decimal"))):
        return str(value)
    if isinstance(value, (set, frozenset, collections.abc.KeysView, collections.abc.ValuesView)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, base("pydantic", "BaseModel")):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, base("msgspec", "Struct")):
        return sys.modules["msgspec"].to_builtins(value)
    for hook in hooks:
        if (found := hook(type(value))) and found.read:
            return json.loads(bytes_of(found.encode(value)) or b"null")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _encoder() -> Callable[[Any], str]:
    """json's encoder in C, made once: JSONEncoder makes one for each value, which takes longer than the value does."""
    usual = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain).encode
    sample = {"ä": [1.5, None, True, "\n"]}
    try:
        make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
        text: Any = json.encoder.encode_basestring
        quick = make(None, _plain, text, None, ": ", ", ", False, False, False)
        if "".join(quick(sample, 0)) == usual(sample):
            return lambda value: "".join(quick(value, 0))
    except (AttributeError, TypeError):
        pass  # another Python than CPython, or a later one
    return usual


_json_encode = _encoder()


def dumps(value: object) -> str:
    try:
        return _json_encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(
            f"a payload or result must be bytes, str, None or what JSON can say: {error}", _heroq.HEROQ_E_JSON
        ) from None


def bytes_of(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data or b"")


def by_value(value: object) -> Data:
    """Bytes and text as they are, None as nothing, all else as JSON."""
    if value is None or isinstance(value, (bytes, str, bytearray, memoryview)):
        return value
    return dumps(value)


def base(module: str, name: str) -> Any:
    """The class, if the program has imported its module; else one that nothing is an instance of."""
    return getattr(sys.modules.get(module), name, _Nobody)


class _Nobody: ...
