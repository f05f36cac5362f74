"""Signed scripts: who holds a key says which scripts run, not who can write to the server.

A key file has a key a line, its id and its secret: `2026-11 5f0c…`. The first one signs, all can check: to change keys,
 put the new one first, and take the old one away when its signatures have expired.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from . import _heroq
from .errors import Fail, InvalidError
from .job import Job

HEADER = "heroq-signature"
VALID_FOR = 86400.0
_FORM = re.compile(r"1 ([A-Za-z0-9_.-]{1,64}) (\d{1,12}) ([0-9a-f]{64})")
_LEAST = 16


class Keys:
    """`Keys.read(path).sign(job)` before the job is submitted; `heroq actor --sign-key-file` checks."""

    def __init__(self, secrets: Mapping[str, bytes]):
        if not secrets:
            raise InvalidError("there is no key to sign with")
        for name, secret in secrets.items():
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
                raise InvalidError(f"{name!r} is no id of a key: letters, digits, '_', '.' and '-'")
            if len(secret) < _LEAST:
                raise InvalidError(f"the secret of key {name} is shorter than {_LEAST} bytes")
        self._secrets = dict(secrets)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Keys:
        try:
            return cls(_parsed(Path(path).read_text(encoding="utf-8"), str(path)))
        except UnicodeDecodeError:
            raise InvalidError(f"{path} is no file of keys") from None
        except OSError as error:
            raise InvalidError(f"cannot read {path}: {error.strerror}") from None

    @classmethod
    def given(cls, path: str | None) -> Keys | None:
        """Those of the file, else of HEROQ_SIGN_KEYS, which has the lines of such a file; None if neither is there."""
        if path is not None:
            return cls.read(path)
        text = os.environ.get("HEROQ_SIGN_KEYS")
        return cls(_parsed(text, "HEROQ_SIGN_KEYS")) if text else None

    def sign(self, job: Job, valid_for: float = VALID_FOR) -> None:
        """Signs the job's id, type, script and environment; good for so many seconds from now."""
        key = next(iter(self._secrets))
        expiry = int(time.time() + valid_for)
        _heroq.heroq_job_set_header(job._handle, HEADER, f"1 {key} {expiry} {self._digest(key, expiry, job)}")

    def check(self, job: Job) -> None:
        """Raises Fail, which is final, unless the job is signed by one of the keys."""
        said = job.header(HEADER)
        if said is None:
            raise Fail("not run: the script is not signed")
        found = _FORM.fullmatch(said)
        if found is None:
            raise Fail("not run: the signature has no known form")
        key, expiry, digest = found.groups()
        if key not in self._secrets:
            raise Fail(f"not run: the script is signed by a key that is not known here: {key}")
        if not hmac.compare_digest(digest, self._digest(key, int(expiry), job)):
            raise Fail("not run: the signature is wrong")
        if time.time() >= int(expiry):
            raise Fail("not run: the signature has expired")

    def _digest(self, key: str, expiry: int, job: Job) -> str:
        env = [part.encode() for item in sorted(job.env.items()) for part in item]
        parts = [b"heroq-script-1", key.encode(), b"%d" % expiry, job.id.encode(), job.script_type.encode(), job.script]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in [*parts, *env])
        return hmac.new(self._secrets[key], message, hashlib.sha256).hexdigest()


def _parsed(text: str, where: str) -> dict[str, bytes]:
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] in secrets:  # the line itself may be a secret
            raise InvalidError(f"{where}, line {number}: not the id of a key and its secret, or the id is there twice")
        secrets[words[0]] = words[1].encode()
    return secrets
