"""Metrics as text, and on a port."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.registry import Collector

from ..errors import InvalidError
from ..health import host_and_port


def text_of(collector: Collector) -> str:
    return generate_latest(_registry(collector)).decode()


class Port:
    """HTTP: what Prometheus asks for. The port is an address of this machine alone, unless a host is given."""

    def __init__(self, where: str, collector: Collector):
        host, port = host_and_port(where, "metrics port")
        try:
            self._server, self._thread = start_http_server(port, host, _registry(collector))
        except OSError as error:
            raise InvalidError(f"no metrics port {where}: {error.strerror}") from None
        self.port: int = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
