"""Typed handlers: dataclasses go in and come out, on the wire they are plain JSON.

heroq worker examples/python/typed.py       in one terminal
python examples/python/typed.py             in another
"""

from dataclasses import dataclass
from typing import Literal

import heroq


@dataclass
class Item:
    name: str
    cents: int
    count: int = 1


@dataclass
class Receipt:
    lines: list[str]
    total: int


@heroq.actor("checkout", timeout=30, retries=3)
def checkout(items: list[Item], currency: Literal["EUR", "USD"] = "EUR") -> Receipt:
    lines = [f"{item.count} x {item.name}" for item in items]
    return Receipt(lines, sum(item.count * item.cents for item in items))


def main() -> None:
    heroq.connect()  # HEROQ_URL, else redis://localhost
    basket = [Item("pen", 120, count=3), Item("ink", 450)]
    receipt = checkout.run(basket, currency="USD")
    print(*receipt.lines, f"total: {receipt.total / 100:.2f} USD", sep="\n")

    # What does not fit is refused here, before anything is sent. A type checker refuses it too.
    try:
        checkout.submit([Item("pen", "a lot")])  # type: ignore[arg-type]
    except heroq.PayloadError as error:
        print(error)


if __name__ == "__main__":
    main()
