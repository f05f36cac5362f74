"""Actors in C and in Python on one server: the C program of examples/actor.c counts words, this file shouts.

build/examples/actor redis://localhost osis    the actor in C, for jobs of the type osis
heroq worker examples/python/mixed.py          the actor in Python, for jobs of the type shout
python examples/python/mixed.py                gives both the same texts
"""

import heroq


@heroq.actor("shout", timeout=10, retries=3)
def shout(text: str) -> str:
    return text.upper()


TEXTS = ["one two three", "to be or not to be"]


def main() -> None:
    sup = heroq.connect()  # HEROQ_URL, else redis://localhost
    # An actor in another language has no Python function to be called by: its jobs are made by their type.
    counted = sup.submit_many(TEXTS, script_type="osis")
    shouted = shout.submit_many(TEXTS)
    for words, loud in zip(heroq.gather(counted), heroq.gather(shouted), strict=True):
        print(f"{loud}: {words.decode()}")


if __name__ == "__main__":
    main()
