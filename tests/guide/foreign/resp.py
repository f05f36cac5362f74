"""A Redis connection as somebody would write it who has never heard of heroq. Values are bytes, int, None or lists."""

import os
import socket


class Redis:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", int(port)))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line:
            raise SystemExit("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise SystemExit(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return self.file.read(int(rest) + 2)[:-2]


def write_down(ledger, job_id, who):
    """One line for each run, appended in one write."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"%s %s\n" % (job_id, who.encode()))
    os.close(fd)


def jobs(redis, script_type, ledger, who):
    """What every canonical actor does: BLPOP, read the script, run it."""
    while True:
        popped = redis("BLPOP", f"hero:q:work:type:{script_type}", 1)
        if popped is None:
            continue
        job_id = popped[1]
        key = b"hero:job:" + job_id
        script = redis("HGET", key, "script")
        write_down(ledger, job_id, who)
        yield job_id, key, who.encode() + b" ran " + script
