"""A server full of jobs and queues, made fast, and what a reader costs it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .server import Connection, Server

#: jobs made in one call, so that the server answers between
_PIECE = 5000

#: 1 of 100 waits, 1 of 100 failed, the others are finished; 1 of 50 is red, the others blue; 1 of 5 is in the index
_MAKE = """
local from, to, queues, indexed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
for i = from, to do
  local id, kind, type = string.format('job-%08d', i), i % 100, string.format('t%03d', i % queues)
  local status = kind == 0 and 'dispatched' or kind == 1 and 'error' or 'finished'
  redis.call('HSET', 'hero:job:' .. id, 'jobId', id, 'script', 'print(1)', 'script_type', type, 'callerId', 'me',
    'status', status, 'createdAt', '2026-01-02T03:04:05.678Z', 'hq_tags', i % 50 == 0 and 'red' or 'blue')
  if kind == 0 then redis.call('LPUSH', 'hero:q:work:type:' .. type, id) end
  if indexed and math.floor(i / 100) % 5 == 0 then
    for _, key in ipairs({'made', 'ids', i % 50 == 0 and 'tag:red' or 'tag:blue', 'caller:me'}) do
      redis.call('ZADD', '{heroq}:index:' .. key, key == 'ids' and 0 or 1767323045678 + i, id)
    end
  end
end
"""

_QUEUES = """
for i = 0, ARGV[1] - 1 do
  local q = string.format('hero:q:work:type:t%03d', i)
  redis.call('ZADD', '{heroq}:queues', 1, q)
  redis.call('ZADD', '{' .. q .. '}:actors', 1e13, 'a')
  redis.call('HSET', '{' .. q .. '}:minutes', math.floor(redis.call('TIME')[1] / 60), '5 1 0 0')
end
for i = 1, ARGV[2] do redis.call('LPUSH', 'hero:q:work:type:foreign' .. i, 'a', 'b') end
"""


def fill(server: Server, jobs: int, queues: int, foreign: int = 10, *, indexed: bool = False) -> None:
    with server.connect(300) as link:
        for at in range(0, jobs, _PIECE):
            link.call("EVAL", _MAKE, 0, at, min(jobs, at + _PIECE) - 1, queues, int(indexed))
        link.call("EVAL", _QUEUES, 0, queues, foreign)


@dataclass(frozen=True)
class Cost:
    """Of everything that came over other connections meanwhile."""

    commands: dict[str, int]
    #: what took longer than 10 ms
    slow: list[str]

    @property
    def total(self) -> int:
        return sum(self.commands.values())


class Watch:
    """`with Watch(server) as watch: …; watch.cost()`"""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Watch:
        self._link: Connection = self._server.connect()
        self._link.call("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def reset(self) -> None:
        self._link.call("SLOWLOG", "RESET")
        self._link.call("CONFIG", "RESETSTAT")

    def cost(self) -> Cost:
        stats = self._link.call("INFO", "commandstats").decode()
        commands = {name: int(n) for name, n in re.findall(r"cmdstat_([\w|]+):calls=(\d+)", stats)}
        own = ("config", "slowlog", "info")
        slow = [b" ".join(entry[3])[:100].decode(errors="replace") for entry in self._link.call("SLOWLOG", "GET", 10)]
        return Cost({name: n for name, n in commands.items() if not name.startswith(own)}, slow)
