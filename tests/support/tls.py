"""What the tests of TLS need: certificates, servers that speak it, and peers that are not what they should be."""

from __future__ import annotations

import abc
import contextlib
import random
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .server import Server, _free_port

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class NoTls(Exception):
    """The server's program was built without TLS."""


def _openssl(*argv: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(map(str, argv))}: {done.stderr}")


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


class Authority:
    """A certificate authority in a folder. `ca` is its certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.key = folder / "ca.key"
        _openssl("req", "-x509", *KEY, "-keyout", self.key, "-out", self.ca, "-days", "2", "-subj", "/CN=heroq test CA")

    def issue(self, name: str, names: str = "", days: int = 2) -> Pair:
        """A certificate for `names`, such as "DNS:localhost,IP:127.0.0.1"; with days=-1 it has expired."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extra = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extra.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        _openssl("req", *KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        argv: list[str | Path] = [
            "-in",
            request,
            "-CA",
            self.ca,
            "-CAkey",
            self.key,
            "-CAcreateserial",
            "-out",
            pair.cert,
        ]
        _openssl("x509", "-req", *argv, "-days", str(days), "-extfile", extra)
        return pair


def self_signed(folder: Path, names: str) -> Pair:
    pair = Pair(folder / "self.pem", folder / "self.key")
    argv: list[str | Path] = [
        "-keyout",
        pair.key,
        "-out",
        pair.cert,
        "-days",
        "2",
        "-subj",
        "/CN=self",
        "-addext",
        f"subjectAltName={names}",
    ]
    _openssl("req", "-x509", *KEY, *argv)
    return pair


class TlsServer(Server):
    """A private server that speaks TLS on `tls_port` besides."""

    def __init__(self, pair: Pair, ca: Path, *args: str, kind: str | None = None) -> None:
        self.tls_port = _free_port()
        files = ["--tls-cert-file", str(pair.cert), "--tls-key-file", str(pair.key), "--tls-ca-cert-file", str(ca)]
        clients = [] if "--tls-auth-clients" in args else ["--tls-auth-clients", "no"]
        try:
            super().__init__(kind, ["--tls-port", str(self.tls_port), *files, *clients, *args])
        except RuntimeError as error:
            if "Failed finding TLS support" in str(error):
                raise NoTls(f"{kind or self.kind}: this server was built without TLS") from None
            raise

    def tls_url(self, host: str = "localhost", login: str | None = None) -> str:
        return f"rediss://{self._secret if login is None else login}{host}:{self.tls_port}/0"


class Peer(abc.ABC):
    """Listens, and does to each connection what a subclass says. `received`: what came, by connection."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.talk(connection)
        connection.close()

    @abc.abstractmethod
    def talk(self, connection: socket.socket) -> None:
        """One connection, to its end."""

    def take_all(self, connection: socket.socket) -> None:
        place = len(self.received)
        self.received.append(b"")
        while data := connection.recv(65536):
            self.received[place] += data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Mute(Peer):
    """Takes everything and never answers, on a bare socket."""

    def talk(self, connection: socket.socket) -> None:
        self.take_all(connection)


class Plain(Peer):
    """Answers the first bytes as a server without TLS does."""

    def talk(self, connection: socket.socket) -> None:
        self.received.append(connection.recv(65536))
        connection.sendall(b"-ERR unknown command\r\n")
        self.take_all(connection)


class Impostor(Peer):
    """Speaks TLS with a certificate of its own, and hears what a client says then."""

    def __init__(self, pair: Pair, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.cert, pair.key)
        if versions:
            self._context.minimum_version, self._context.maximum_version = versions
            self._context.set_ciphers("ALL:@SECLEVEL=0")
        self.shaken = 0  # handshakes that were done, as far as this side knows
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as inside:
            self.shaken += 1
            self.take_all(inside)


class Shredder(Peer):
    """Passes everything on to a port, in pieces of 1 to `most` bytes, so that no record comes in one; `pause` seconds
    after each make it a slow line."""

    def __init__(self, port: int, most: int, seed: int, pause: float = 0) -> None:
        self._target, self._most, self._pause = port, most, pause
        self._random = random.Random(seed)
        super().__init__()

    def talk(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            self._open.add(server)
            other = threading.Thread(target=self._pass, args=(server, connection), daemon=True)
            other.start()
            self._pass(connection, server)
            other.join()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for one in (source, target):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(65536):
                while data:
                    n = self._random.randint(1, self._most)
                    target.sendall(data[:n])
                    data = data[n:]
                    time.sleep(self._pause)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """All that is open now, wherever in a record it is."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()
