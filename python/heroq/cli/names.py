"""Queues as the command line names them: TYPE, TYPE/GROUP, TYPE/GROUP/INSTANCE."""

from __future__ import annotations

from .. import keys
from ..client import Client
from ..errors import InvalidError
from ..queue import Queue

_PARTS = ("script_type", "group", "instance")


def path_of(script_type: str, group: str = "", instance: str = "") -> str:
    """A queue as the command line names it."""
    return "/".join(part for part in (script_type, group, instance) if part)


def queue_of(client: Client, name: str) -> Queue:
    """The queue that a person named."""
    parts = name.split("/")
    if name.startswith("hero:"):
        named = keys.parse(name)
        parts = [named.get(part, "") for part in _PARTS if named.get(part) or part == "script_type"]
    if len(parts) > 3 or "" in parts:
        raise InvalidError(f"{name!r} names no queue: say TYPE, TYPE/GROUP or TYPE/GROUP/INSTANCE")
    script_type, group, instance = (*parts, None, None)[:3]
    return Queue(script_type or "", client, group=group, instance=instance)
