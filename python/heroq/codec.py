"""The codecs of annotations: what a payload or a result must be to fit, and the value it stands for."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import sys
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .errors import PayloadError
from .payload import Codec as Codec
from .payload import Json, Reader, base, by_value, hooks
from .payload import add_hook as add_hook
from .payload import dumps as dumps


class Misfit(Exception):
    """A value, somewhere in a payload, that is not what the annotation says. `path` leads there, innermost first."""

    def __init__(self, said: str):
        self.said = said
        self.path: list[str] = []

    def at(self, step: str) -> Misfit:
        self.path.append(step)
        return self


def _misfit(value: object, wanted: str) -> Misfit:
    return Misfit(f"is {_short(value)}, but should be {wanted}")


def _short(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _only(value: object, kinds: tuple[type, ...], wanted: str) -> Any:
    if isinstance(value, kinds):
        return value
    raise PayloadError(f"this is {_short(value)}, but should be {wanted}")


# ---- reading ----


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def loads(data: bytes) -> Any:
    try:
        text = data.decode()
        try:
            value, end = _decoder.raw_decode(text)  # half the time of decode, which looks for blanks around
            if end == len(text):
                return value
        except json.JSONDecodeError:
            pass
        return _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"this is not JSON ({error}): {_short(data[:60].decode(errors='replace'))}") from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PayloadError(f"this is not text in UTF-8: {error}") from None


def json_codec(read: Reader) -> Codec:
    def decode(data: bytes) -> Any:
        value = loads(data)
        try:
            return read(value)
        except Misfit as error:
            raise PayloadError(f"the value{''.join(reversed(error.path))} {error.said}") from None

    return Codec(dumps, decode, read)


RAW = Codec(lambda value: _only(value, (bytes, bytearray, memoryview, str, type(None)), "bytes"), bytes)
TEXT = Codec(lambda value: _only(value, (str,), "a str"), _text)
NOTHING = Codec(by_value, lambda data: None)
#: what has no annotation: written by the value, read as bytes
BY_VALUE = Codec(by_value, bytes)
_BUFFERS = {bytes: bytes, bytearray: bytearray, memoryview: memoryview}


def codec_for(annotation: Any, names: Mapping[str, Any] | None = None) -> Codec:
    """The codec of a whole payload. TypeError for an annotation that has none. `names`: local ones, for its parts."""
    for hook in hooks:
        if found := hook(annotation):
            return _guarded(found)
    if annotation is str:
        return TEXT
    if annotation in (None, type(None)):
        return NOTHING
    if annotation in (bytes, bytearray, memoryview):
        make = _BUFFERS[annotation]
        return RAW if make is bytes else Codec(RAW.encode, make)
    args = set(typing.get_args(annotation)) if _is_union(annotation) else set()
    if args & _BUFFERS.keys() and args <= {*_BUFFERS, str, type(None)}:
        return RAW
    return _foreign(annotation) or json_codec(reader_for(annotation, names))


def reader_for(annotation: Any, names: Mapping[str, Any] | None = None) -> Reader:
    """The reader of a part of a payload."""
    return _Readers(names or {}).reader(annotation)


def _guarded(codec: Codec) -> Codec:
    def decode(data: bytes) -> Any:
        try:
            return codec.decode(data)
        except PayloadError:
            raise
        except ValueError as error:
            raise PayloadError(str(error)) from error

    return Codec(codec.encode, decode, codec.read)


# ---- pydantic and msgspec, where the program has them ----


def _foreign(annotation: Any) -> Codec | None:
    """For a class of pydantic or msgspec, and for what is annotated with one of their constraints."""
    marks = {type(mark).__module__.partition(".")[0] for mark in getattr(annotation, "__metadata__", ())}
    if "msgspec" in marks or _is_class(annotation, base("msgspec", "Struct")):
        return _msgspec(annotation)
    if marks & {"pydantic", "annotated_types"} or _is_class(annotation, base("pydantic", "BaseModel")):
        return _pydantic(annotation)
    return None


def _is_class(annotation: Any, base: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)


def _pydantic(annotation: Any) -> Codec:
    module: Any = sys.modules["pydantic"]
    adapter: Any = module.TypeAdapter(annotation)

    def said(error: Any) -> str:
        parts = [
            f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}".removeprefix(": ")
            for one in error.errors(include_url=False)[:5]
        ]
        return "; ".join(parts)

    def decode(data: bytes) -> Any:
        try:
            return adapter.validate_json(data)
        except module.ValidationError as error:
            raise PayloadError(f"this is no {_name(annotation)}: {said(error)}") from None

    def read(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except module.ValidationError as error:
            raise Misfit(f"is no {_name(annotation)}: {said(error)}") from None

    return Codec(lambda value: adapter.dump_json(value, by_alias=True), decode, read)


def _msgspec(annotation: Any) -> Codec:
    module: Any = sys.modules["msgspec"]
    decoder: Any = module.json.Decoder(annotation)

    def decode(data: bytes) -> Any:
        try:
            return decoder.decode(data)
        except (module.DecodeError, ValueError, RecursionError) as error:
            raise PayloadError(f"this is no {_name(annotation)}: {error}") from None

    def read(value: Any) -> Any:
        try:
            return module.convert(value, annotation)
        except (module.ValidationError, RecursionError) as error:
            raise Misfit(f"is no {_name(annotation)}: {error}") from None

    return Codec(module.json.encode, decode, read)


# ---- JSON by annotations ----


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _anything(value: Any) -> Any:
    return value


def _of_type(kind: type, wanted: str) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _misfit(value, wanted)

    return read


def _int(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():  # JSON has one kind of number
        return int(value)
    raise _misfit(value, "a whole number")


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise _misfit(value, "a number")


def _from_text(make: Callable[[str], Any], wanted: str) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is str:
            try:
                return make(value)
            except (ValueError, ArithmeticError):
                pass
        raise _misfit(value, wanted)

    return read


def _decimal(value: Any) -> decimal.Decimal:
    if type(value) in (str, int, float):
        try:
            return decimal.Decimal(str(value))
        except ArithmeticError:
            pass
    raise _misfit(value, "a decimal number, as text")


def _timedelta(value: Any) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=_float(value))
    except (Misfit, OverflowError):
        raise _misfit(value, "a number of seconds") from None


_SCALARS: dict[Any, Reader] = {
    type(None): _of_type(type(None), "null"),
    None: _of_type(type(None), "null"),
    bool: _of_type(bool, "true or false"),
    int: _int,
    float: _float,
    str: _of_type(str, "a text"),
    list: _of_type(list, "a list"),
    dict: _of_type(dict, "an object"),
    Any: _anything,
    object: _anything,
    Json: _anything,
    datetime.datetime: _from_text(datetime.datetime.fromisoformat, "a date and time in ISO 8601"),
    datetime.date: _from_text(datetime.date.fromisoformat, "a date in ISO 8601"),
    datetime.time: _from_text(datetime.time.fromisoformat, "a time in ISO 8601"),
    datetime.timedelta: _timedelta,
    uuid.UUID: _from_text(uuid.UUID, "a UUID"),
    decimal.Decimal: _decimal,
}
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {
    list: _anything,
    collections.abc.Sequence: _anything,
    collections.abc.Iterable: _anything,
    collections.abc.Collection: _anything,
    set: set,
    collections.abc.Set: set,
    frozenset: frozenset,
}
_PLAIN = {type(None), bool, int, float, str}


class Fields:
    """An object with named parts. Names that are not known are left out, as pydantic and msgspec do."""

    def __init__(self, make: Callable[..., Any], title: str):
        self.make, self.title = make, title
        self.parts: list[tuple[str, Reader, bool]] = []

    def read(self, value: Any) -> Any:
        if type(value) is not dict:
            raise _misfit(value, self.title)
        found = {}
        name = ""
        try:
            for name, read, required in self.parts:
                if name in value:
                    found[name] = read(value[name])
                elif required:
                    raise Misfit(f"is missing in {_short(value)}")
        except Misfit as error:
            raise error.at(f".{name}") from None
        try:
            return self.make(**found)
        except (TypeError, ValueError) as error:  # of a __post_init__
            raise Misfit(f"does not make {self.title}: {error}") from error


class _Readers:
    """Readers for annotations, one for each class, so that a class may hold itself."""

    def __init__(self, names: Mapping[str, Any]):
        self._names = dict(names)
        self._made: dict[Any, Reader] = {}

    def reader(self, annotation: Any) -> Reader:
        for hook in hooks:
            if found := hook(annotation):
                if found.read is None:
                    raise TypeError(f"{_name(annotation)} can only be a whole payload, it has no form inside JSON")
                return _reads(found.read)
        try:
            if annotation in _SCALARS:
                return _SCALARS[annotation]
        except TypeError:
            pass  # not hashable, such as Literal[[]]
        if (foreign := _foreign(annotation)) and foreign.read:
            return foreign.read
        if alias := getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None):
            return self.reader(alias)  # NewType, type X = …
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self.reader(args[0])
        if _is_union(annotation):
            return self._union(args)
        if origin is typing.Literal:
            return _one_of(args, ", ".join(_short(one) for one in args))
        return self._container(origin or annotation, args) or self._class(annotation)

    def _union(self, args: tuple[Any, ...]) -> Reader:
        exact = _PLAIN.intersection(args)
        readers = [self.reader(one) for one in args]
        structured = [read for one, read in zip(args, readers, strict=True) if one not in _PLAIN]
        wanted = " or ".join("null" if one is type(None) else _name(one) for one in args)

        def read(value: Any) -> Any:
            if type(value) in exact:
                return value
            if len(structured) == 1 and type(value) in (dict, list):
                return structured[0](value)  # it can say which part does not fit
            for one in readers:
                try:
                    return one(value)
                except Misfit:
                    continue
            raise _misfit(value, wanted)

        return read

    def _container(self, origin: Any, args: tuple[Any, ...]) -> Reader | None:
        if origin in _LISTS:
            return _list(self.reader(args[0] if args else Any), _LISTS[origin])
        if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
            key, value = args if args else (str, Any)
            return _dict(_int_key if key is int else self.reader(key), self.reader(value))
        if origin is tuple:
            if len(args) == 2 and args[1] is ...:
                return _list(self.reader(args[0]), tuple)
            return _tuple([self.reader(one) for one in args]) if args else _list(_anything, tuple)
        return None

    def _class(self, annotation: Any) -> Reader:
        if annotation in self._made:
            return self._made[annotation]
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            values = [one.value for one in annotation]
            known = _one_of(values, ", ".join(_short(one) for one in values))
            return lambda value: annotation(known(value))
        if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
            fields = Fields(annotation, f"an object ({annotation.__name__})")
            self._made[annotation] = fields.read
            hints = self._hints(annotation)
            for one in dataclasses.fields(annotation):
                if one.init:
                    needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
                    fields.parts.append((one.name, self.reader(hints[one.name]), needed))
            return fields.read
        if typing.is_typeddict(annotation):
            fields = Fields(dict, f"an object ({annotation.__name__})")
            self._made[annotation] = fields.read
            for name, hint in self._hints(annotation).items():
                needed, hint = _required(hint, name in annotation.__required_keys__)
                fields.parts.append((name, self.reader(hint), needed))
            return fields.read
        raise TypeError(
            f"{_name(annotation)} has no form in JSON. There are: None, bool, int, float, str, list, dict, tuple, set, "
            "Literal, enums, datetime, date, time, timedelta, UUID, Decimal, dataclasses, TypedDict, models of "
            "pydantic and msgspec, heroq.Json for anything; bytes only as a whole payload; your own by "
            "heroq.codec.add_hook"
        )

    def _hints(self, annotation: Any) -> dict[str, Any]:
        try:
            return typing.get_type_hints(annotation, localns=self._names, include_extras=True)
        except NameError as error:
            raise TypeError(f"an annotation of {_name(annotation)} cannot be read: {error}") from None


def _reads(read: Reader) -> Reader:
    """A hook's reader: its ValueError says that the value does not fit."""

    def guarded(value: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise Misfit(f"is {_short(value)}: {error}") from error

    return guarded


def _required(hint: Any, needed: bool) -> tuple[bool, Any]:
    """A TypedDict's Required and NotRequired, also those that were text when the class was made."""
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return origin is typing.Required, typing.get_args(hint)[0]
    return needed, hint


def _one_of(values: typing.Iterable[Any], wanted: str) -> Reader:
    known = {(type(one), one) for one in values}

    def read(value: Any) -> Any:
        if isinstance(value, (dict, list)) or (type(value), value) not in known:
            raise _misfit(value, f"one of {wanted}")
        return value

    return read


def _list(read: Reader, make: Callable[[list[Any]], Any]) -> Reader:
    def read_list(value: Any) -> Any:
        if type(value) is not list:
            raise _misfit(value, "a list")
        if read is _anything:
            return make(value)
        out: list[Any] = []
        try:
            for one in value:
                out.append(read(one))
        except Misfit as error:
            raise error.at(f"[{len(out)}]") from None
        return make(out)

    return read_list


def _tuple(readers: list[Reader]) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise _misfit(value, f"a list of {len(readers)}")
        out: list[Any] = []
        try:
            for one, part in zip(readers, value, strict=True):
                out.append(one(part))
        except Misfit as error:
            raise error.at(f"[{len(out)}]") from None
        return tuple(out)

    return read


def _int_key(key: str) -> int:
    try:
        return int(key)
    except ValueError:
        raise _misfit(key, "a whole number, as a name") from None


def _dict(read_key: Reader, read: Reader) -> Reader:
    def read_dict(value: Any) -> Any:
        if type(value) is not dict:
            raise _misfit(value, "an object")
        out = {}
        name = ""
        try:
            for name, part in value.items():
                out[read_key(name)] = read(part)
        except Misfit as error:
            raise error.at(f"[{json.dumps(name)}]") from None
        return out

    return read_dict
