"""What a handler's function takes and gives: from its annotations, once, when it is decorated."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from . import codec
from .codec import Codec, Fields, Misfit
from .errors import PayloadError, Unfit
from .job import Job
from .payload import Data, Json, Reader, by_value, bytes_of, dumps

_Parameter = inspect.Parameter
_STREAMS = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)


def _is_job(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Job)


class Signature:
    """`invoke` calls the function for a job; `payload` makes the payload of a call; codecs of `result` and `chunk`."""

    def __init__(self, function: Callable[..., Any], names: Mapping[str, Any]):
        self.function = function
        self.names = names
        self.label: str = getattr(function, "__name__", "") or type(function).__name__
        bare = inspect.unwrap(function)
        self.is_async = inspect.iscoroutinefunction(bare) or inspect.isasyncgenfunction(bare)
        self.streams = inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare)
        try:
            self._python: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):  # of a function in C
            self._python = None
        self.chunk = codec.BY_VALUE
        self.result = self._result()
        self._read_parameters()

    # ---- what it gives ----

    def _result(self) -> Codec:
        annotation = self._python.return_annotation if self._python else inspect.Signature.empty
        hint = self._resolve("return", annotation)
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin in _STREAMS or (self.streams and origin is collections.abc.Iterable):
            self.streams = True
            if args:
                self.chunk = self._codec("return", args[0])
            return self._codec("return", args[2]) if len(args) > 2 else codec.NOTHING
        if hint in (inspect.Signature.empty, Any, object):
            return codec.BY_VALUE
        return self._codec("return", hint)

    def encode(self, value: object) -> Data:
        """The result as it goes to the wire."""
        try:
            return self.result.encode(value)
        except PayloadError as error:
            raise Unfit(f"the result of {self.label} does not fit: {error}", error.code) from None

    def encode_chunk(self, value: object) -> str | bytes:
        try:
            data = self.chunk.encode(value)
        except PayloadError as error:
            raise Unfit(f"what {self.label} yields does not fit: {error}", error.code) from None
        return data if isinstance(data, str) else bytes_of(data)

    def decode(self, output: bytes) -> Any:
        try:
            return self.result.decode(output)
        except PayloadError as error:
            raise PayloadError(f"the result of {self.label} does not fit its annotation: {error}") from None

    # ---- what it takes ----

    def _read_parameters(self) -> None:
        wanted = list(self._python.parameters.values()) if self._python else []
        hints = {one.name: self._resolve(one.name, one.annotation) for one in wanted}
        if self._python is None or self._takes_the_job(wanted, hints):
            self.invoke: Callable[[Job], Any] = self.function
            self.payload = self._script
            self.count = 1
            return
        self._with_job = bool(wanted) and (
            _is_job(hints[wanted[0].name])
            or (wanted[0].name == "job" and wanted[0].annotation is _Parameter.empty and len(wanted) > 1)
        )
        rest = wanted[1:] if self._with_job else wanted
        for one in rest:
            if _is_job(hints[one.name]):
                raise TypeError(f"{self.label}: the Job comes first")
            if one.kind is _Parameter.VAR_POSITIONAL:
                raise TypeError(f"{self.label}: a handler's arguments have names, *{one.name} has none")
        assert self._python
        self.count = len(rest)
        self._taken = self._python.replace(parameters=[one.replace(annotation=hints[one.name]) for one in rest])
        if not rest:
            self._without_payload()
        elif len(rest) == 1 and rest[0].kind is not _Parameter.VAR_KEYWORD:
            self._with_one(rest[0], hints[rest[0].name])
        else:
            self._with_many(rest, hints)

    def _takes_the_job(self, wanted: list[_Parameter], hints: dict[str, Any]) -> bool:
        """One parameter that is a Job or says nothing; or a function that takes whatever comes, such as print."""
        if not wanted:
            return False
        first = wanted[0]
        if first.kind is _Parameter.VAR_POSITIONAL:
            required = [
                one for one in wanted[1:] if one.kind is not _Parameter.VAR_KEYWORD and one.default is one.empty
            ]
            return first.annotation is first.empty and not required
        if first.kind in (_Parameter.KEYWORD_ONLY, _Parameter.VAR_KEYWORD) or len(wanted) > 1:
            return False
        return first.annotation is first.empty or _is_job(hints[first.name])

    def _script(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Data:
        if len(args) != 1 or kwargs:
            raise TypeError(f"{self.label} takes the job as it is: submit(script)")
        return by_value(args[0])

    def _without_payload(self) -> None:
        function, with_job = self.function, self._with_job

        def payload(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Data:
            self._taken.bind(*args, **kwargs)
            return b""

        self.invoke = function if with_job else lambda job: function()
        self.payload = payload

    def _with_one(self, parameter: _Parameter, hint: Any) -> None:
        function, with_job, name = self.function, self._with_job, parameter.name
        one = self._codec(name, Json if hint is _Parameter.empty else hint)
        decode = one.decode
        optional = parameter.default is not parameter.empty
        by_name = parameter.kind is _Parameter.KEYWORD_ONLY

        def invoke(job: Job) -> Any:
            script = job.script
            before = (job,) if with_job else ()
            if optional and not script:
                return function(*before)
            try:
                value = decode(script)
            except PayloadError as error:
                raise self._unfit(error) from None
            return function(*before, **{name: value}) if by_name else function(*before, value)

        def invoke_plainly(job: Job) -> Any:
            try:
                value = decode(job.script)
            except PayloadError as error:
                raise self._unfit(error) from None
            return function(value)

        def payload(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Data:
            found = self._taken.bind(*args, **kwargs).arguments
            return self._checked(one, found[name]) if found else b""

        self.invoke = invoke if optional or by_name or with_job else invoke_plainly
        self.payload = payload

    def _with_many(self, parameters: list[_Parameter], hints: dict[str, Any]) -> None:
        function, with_job = self.function, self._with_job
        fields = self._fields(parameters, hints)
        known = {name for name, _, _ in fields.parts}
        all_optional = not any(required for _, _, required in fields.parts)
        first = [one for one in parameters if one.kind is _Parameter.POSITIONAL_ONLY]
        extra = next((one for one in parameters if one.kind is _Parameter.VAR_KEYWORD), None)
        read_extra = self._reader(extra.name, hints[extra.name]) if extra else None
        read_fields = fields.read

        def read(value: Any) -> Any:
            found = read_fields(value)
            if len(value) > len(found):
                for name in value.keys() - known:
                    if read_extra is None:
                        raise Misfit(f"has an argument {name!r}, there are {', '.join(sorted(known))}")
                    try:
                        found[name] = read_extra(value[name])
                    except Misfit as error:
                        raise error.at(f".{name}") from None
            return found

        decode = codec.json_codec(read).decode

        def invoke(job: Job) -> Any:
            script = job.script
            try:
                found = decode(script) if script or not all_optional else {}
            except PayloadError as error:
                raise self._unfit(error) from None
            before: list[Any] = [job] if with_job else []
            before += [found.pop(one.name, one.default) for one in first]
            return function(*before, **found)

        def payload(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Data:
            found = self._taken.bind(*args, **kwargs).arguments
            if extra and extra.name in found:
                found = {**found, **found[extra.name]}
                del found[extra.name]
            return self._checked(codec.Codec(dumps, decode), found)

        self.invoke = invoke
        self.payload = payload

    def _fields(self, parameters: list[_Parameter], hints: dict[str, Any]) -> Fields:
        fields = Fields(dict, f"an object with the arguments of {self.label}")
        for one in parameters:
            if one.kind is not _Parameter.VAR_KEYWORD:
                fields.parts.append((one.name, self._reader(one.name, hints[one.name]), one.default is one.empty))
        return fields

    def _checked(self, one: Codec, value: object) -> Data:
        """Encoded; what the handler would refuse is refused here."""
        try:
            data = one.encode(value)
            if one.encode not in (codec.RAW.encode, codec.TEXT.encode):
                one.decode(bytes_of(data))
        except PayloadError as error:
            raise PayloadError(f"this is no payload for {self}: {error}", error.code) from None
        return data

    def _unfit(self, error: PayloadError) -> Unfit:
        return Unfit(f"the payload does not fit {self}: {error}", error.code)

    def __str__(self) -> str:
        taken = self._taken.replace(return_annotation=inspect.Signature.empty)
        return f"{self.label}{taken}"

    # ---- annotations ----

    def _resolve(self, name: str, annotation: Any) -> Any:
        if annotation is inspect.Signature.empty:
            return annotation
        holder: Any = types.SimpleNamespace(__annotations__={name: annotation})
        known = getattr(inspect.unwrap(self._innermost()), "__globals__", {})
        try:
            return typing.get_type_hints(holder, known, dict(self.names), include_extras=True)[name]
        except NameError as error:
            raise TypeError(
                f"{self.label}: the annotation of {name!r} cannot be read, {error}; it has to be imported also at run "
                "time, not under TYPE_CHECKING alone"
            ) from None

    def _innermost(self) -> Any:
        function: Any = self.function
        while isinstance(function, functools.partial):
            function = function.func
        if not isinstance(function, (types.FunctionType, types.MethodType)):
            function = type(function).__call__
        return getattr(function, "__func__", function)

    def _codec(self, name: str, hint: Any) -> Codec:
        try:
            return codec.codec_for(hint, self.names)
        except TypeError as error:
            raise TypeError(f"{self.label}: {name!r} has an annotation that cannot be used: {error}") from None

    def _reader(self, name: str, hint: Any) -> Reader:
        try:
            return codec.reader_for(Json if hint is _Parameter.empty else hint, self.names)
        except TypeError as error:
            raise TypeError(f"{self.label}: {name!r} has an annotation that cannot be used: {error}") from None
