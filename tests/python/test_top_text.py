"""What stands in the columns of `heroq top`: short enough, and harmless."""

from __future__ import annotations

import random

import pytest
from heroq.top import overview, queue, search
from heroq.top.rows import Column, layout
from heroq.top.text import age, fitted, lines, number, plain, size, span, spark
from rich.cells import cell_len


@pytest.mark.parametrize("columns", [overview.COLUMNS, search.COLUMNS, *(tab[2] for tab in queue.TABS)])
def test_columns_fit(columns: tuple[Column, ...]) -> None:
    """From 80 columns on; each ends with a blank, and the mark is before them."""
    for width in range(80, 240):
        assert 1 + sum(w + 1 for _, _, w in layout(columns, width)) <= width, width


def test_numbers_are_short() -> None:
    for value, text in (
        *((0, "0"), (0.4, "0.4"), (9.96, "10"), (12.3, "12"), (9_999, "9999"), (10_000, "10.0k")),
        *(
            (123_456, "123k"),
            (99_970, "100k"),
            (999_499, "999k"),
            (999_501, "1.0M"),
            (1_000_000, "1.0M"),
            (10**12, "1000G"),
            (None, ""),
        ),
    ):
        assert number(value) == text
    for _ in range(10_000):
        value = random.uniform(0, 10 ** random.uniform(0, 11))
        assert len(number(value)) <= 5, value
        assert len(age(value / 1e4)) <= 4, value
        assert len(span(value / 1e3)) <= 6, value


def test_times() -> None:
    assert [age(s) for s in (0, 59.6, 99.4, 100, 6_000, 360_000)] == ["0s", "60s", "99s", "2m", "2h", "4d"]
    assert [span(ms) for ms in (0.34, 12, 999, 1_000, 99_000, 120_000)] == [
        "0.3ms",
        "12ms",
        "999ms",
        "1.0s",
        "99.0s",
        "2m",
    ]
    assert (age(None), span(None)) == ("", "")
    assert [size(n) for n in (0, 1023, 1024, 3 << 20)] == ["0 B", "1023 B", "1.0 KiB", "3.0 MiB"]


def test_bars() -> None:
    assert (
        spark((0, 1, 4, 8), 4) == " ▂▅█"
        and spark((5,), 3) == "  █"
        and spark((0, 0), 2) == "  "
        and spark((), 2) == "  "
    )
    assert spark((9, 1, 8), 2) == "▂█"


def test_texts_of_any_width() -> None:
    for text in ("", "abc", "a" * 50, "日本語テキスト", "e\u0301" * 9):
        for width in range(1, 12):
            for right in (False, True):
                assert cell_len(fitted(text, width, right)) == width, (text, width)


def test_bytes_of_any_kind() -> None:
    """Neither markup nor escapes, and not more than was asked for."""
    assert plain(b"[b]\x1b[1m\n\xff\xe2\x80\xae").plain == "[b]·[1m·\ufffd·"
    assert lines(b"a\tb\r\n\x07\n[red]c\n", 9).plain == "a   b\n·\n[red]c"
    assert lines(b"1\n2\n3", 2).plain == "1\n2\n… of 5 B" and lines(b"1\n2\n3", 2, from_end=True).plain.startswith(
        "2\n3"
    )
    assert lines(None, 5).plain == "" and len(lines(b"x" * 10**6, 5).plain) < 21_000
    text = lines(random.randbytes(5_000), 10_000).plain
    assert all(c == "\n" or c.isprintable() for c in text)
