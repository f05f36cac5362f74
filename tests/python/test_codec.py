"""Payloads by annotations, without a server: what is read, what is refused and how that is said."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import subprocess
import sys
import typing
import uuid
from dataclasses import dataclass, field

import heroq
import msgspec
import pydantic
import pytest
from heroq import codec, payload
from heroq.payload import bytes_of, dumps


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)


@dataclass
class Item:
    price: float
    count: int = 1
    colour: Colour | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count is below 0")


class Movie(typing.TypedDict):
    title: str
    year: typing.NotRequired[int]


class Model(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(default=0, ge=0)


class Struct(msgspec.Struct):
    name: str
    age: int = 0


MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
UserId = typing.NewType("UserId", int)

VALUES: list[tuple[typing.Any, typing.Any]] = [
    (bytes, b"\0\xff"),
    (str, "ä\n"),
    (int, 5),
    (float, 0.5),
    (bool, True),
    (None, None),
    (str | None, "x"),
    (str | None, None),
    (int | str, "5"),
    (list[int], [1, 2]),
    (dict[str, list[float]], {"a": [1.0]}),
    (dict[int, str], {1: "one"}),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (set[str], {"a", "b"}),
    (typing.Literal["a", 2], 2),
    (Colour, Colour.RED),
    (UserId, 7),
    (typing.Annotated[int, "a note"], 7),
    (datetime.datetime, MOMENT),
    (datetime.date, MOMENT.date()),
    (datetime.timedelta, datetime.timedelta(seconds=1.5)),
    (uuid.UUID, uuid.UUID(int=5)),
    (decimal.Decimal, decimal.Decimal("0.10")),
    (Item, Item(2.5, 3, Colour.BLUE)),
    (Node, Node("a", [Node("b", [Node("c")])])),
    (Movie, {"title": "M"}),
    (list[Movie], [{"title": "M", "year": 1931}]),
    (Item | Movie | None, {"title": "M"}),
    (Model, Model(name="m", age=3)),
    (list[Model], [Model(name="m")]),
    (Struct, Struct("s", 4)),
    (dict[str, Struct], {"a": Struct("s")}),
    (heroq.Json, {"a": [None, 1, "x"]}),
]


@pytest.mark.parametrize("annotation,value", VALUES, ids=[str(one[0]) for one in VALUES])
def test_a_value_goes_there_and_back(annotation: typing.Any, value: object) -> None:
    one = codec.codec_for(annotation)
    assert one.decode(bytes_of(one.encode(value))) == value


WRONG: list[tuple[typing.Any, bytes, str]] = [
    (int, b'"5"', 'the value is "5", but should be a whole number'),
    (int, b"true", "the value is true, but should be a whole number"),
    (int, b"1.5", "the value is 1.5, but should be a whole number"),
    (float, b"1" + b"0" * 400, "should be a number"),
    (str, b"\xff", "this is not text in UTF-8"),
    (list[int], b'[1, "x"]', 'the value[1] is "x", but should be a whole number'),
    (tuple[int, str], b"[1]", "the value is [1], but should be a list of 2"),
    (dict[str, int], b'{"a b": null}', 'the value["a b"] is null, but should be a whole number'),
    (dict[int, str], b'{"x": "y"}', "whole number, as a name"),
    (Colour, b'"green"', 'the value is "green", but should be one of "red", "blue"'),
    (typing.Literal[1], b"true", "should be one of 1"),
    (datetime.date, b'"tomorrow"', "should be a date in ISO 8601"),
    (decimal.Decimal, b'"much"', "should be a decimal number"),
    (Item, b"[]", "the value is [], but should be an object (Item)"),
    (Item, b"{}", "the value.price is missing in {}"),
    (Item, b'{"price": 1, "count": -1}', "the value does not make an object (Item): count is below 0"),
    (Node, b'{"name": "a", "children": [{"name": 1}]}', "the value.children[0].name is 1, but should be a text"),
    (Movie, b'{"year": 5}', "the value.title is missing"),
    (Item | None, b'{"price": "x"}', 'the value.price is "x", but should be a number'),
    (int | None, b'"x"', 'the value is "x", but should be int or null'),
    (Model, b'{"name": 1}', "this is no Model: name: Input should be a valid string"),
    (Model, b'{"name": "a", "age": -1}', "age: Input should be greater than or equal to 0"),
    (list[Model], b'[{"age": 1}]', "the value[0] is no Model: name: Field required"),
    (typing.Annotated[int, pydantic.Field(gt=0)], b"0", "Input should be greater than 0"),
    (Struct, b'{"name": 1}', "Expected `str`, got `int` - at `$.name`"),
    (list[Struct], b'[{"name": 1}]', "the value[0] is no Struct"),
    (typing.Annotated[int, msgspec.Meta(gt=0)], b"0", "Expected `int` >= 1"),
    (int, b"", "this is not JSON"),
    (list, b"[" * 100_000, "this is not JSON"),
    (float, b"NaN", "this is not JSON (NaN is not JSON)"),
]


@pytest.mark.parametrize("annotation,data,said", WRONG, ids=[f"{one[0]}-{one[1][:30]!r}" for one in WRONG])
def test_what_does_not_fit_says_what_where_and_what_would(annotation: typing.Any, data: bytes, said: str) -> None:
    with pytest.raises(heroq.PayloadError) as caught:
        codec.codec_for(annotation).decode(data)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_and_unknown_parts_are_taken_as_other_languages_send_them() -> None:
    assert repr(codec.codec_for(int).decode(b"3.0")) == "3"
    assert repr(codec.codec_for(float).decode(b"3")) == "3.0"
    assert repr(codec.codec_for(int | float).decode(b"3.0")) == "3.0"
    assert codec.codec_for(Item).decode(b'{"price": 1, "more": 2}') == Item(1.0)
    assert codec.codec_for(Item).decode(b'\r\n {"price": 1}\t\n') == Item(1.0)
    with pytest.raises(heroq.PayloadError, match="Extra data"):
        codec.codec_for(Item).decode(b'{"price": 1} {}')


@pytest.mark.parametrize("value", [object(), float("nan"), {1, object()}, b"x"], ids=["object", "nan", "set", "bytes"])
def test_what_json_cannot_say(value: object) -> None:
    with pytest.raises(heroq.PayloadError, match="JSON"):
        dumps(value)


def test_json_is_written_as_json_writes_it() -> None:
    values: list[object] = [
        {"ä": [1.5, -0.0, 1e300, None, True, '\n"\u2028']},
        5,
        "x",
        [],
        {1: 2, None: 3, 1.5: 4},
        ((1,),),
    ]
    for value in values:
        assert dumps(value) == json.dumps(value, ensure_ascii=False)
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(heroq.PayloadError):
        dumps(endless)


@pytest.mark.parametrize("annotation", [type("Own", (), {}), list[bytes], typing.TypeVar("T")], ids=repr)
def test_an_annotation_without_a_form(annotation: typing.Any) -> None:
    with pytest.raises(TypeError, match="has no form in JSON"):
        codec.codec_for(annotation)


class Point:
    def __init__(self, x: int, y: int):
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


def test_a_hook_gives_a_class_its_own_form() -> None:
    def read(text: object) -> Point:
        x, y = str(text).split(";")
        return Point(int(x), int(y))

    def hook(annotation: object) -> codec.Codec | None:
        if annotation is not Point:
            return None
        return codec.Codec(lambda p: f'"{p.x};{p.y}"', lambda data: read(codec.loads(data)), read)

    codec.add_hook(hook)
    try:
        pairs: list[tuple[typing.Any, object]] = [(Point, Point(1, 2)), (list[Point], [Point(3, 4)])]
        for annotation, value in pairs:
            one = codec.codec_for(annotation)
            assert one.decode(bytes_of(one.encode(value))) == value
        for wrong in (b'"1"', b"[]"):
            with pytest.raises(heroq.PayloadError):
                codec.codec_for(Point).decode(wrong)
        with pytest.raises(heroq.PayloadError, match=r'the value\[0\] is "1;x"'):
            codec.codec_for(list[Point]).decode(b'["1;x"]')
    finally:
        payload.hooks.remove(hook)


def test_pydantic_and_msgspec_are_not_imported_by_heroq() -> None:
    code = (
        "import heroq, sys\n"
        "@heroq.actor('x')\n"
        "def f(a: int, b: list[str]) -> dict[str, int]: ...\n"
        "f.job(1, ['b'])\n"
        "print([name for name in ('pydantic', 'msgspec', 'pickle') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"
