"""metrics: all queues, for Prometheus."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ..client import Client
from ..errors import InvalidError
from ..log import log, to_stderr
from ..runner import Terminated
from .common import Url

#: seconds after which a look at the server has failed; Prometheus itself waits for ten
_PATIENCE = "3s"
_LOOK = 0.2


def metrics(
    listen: Annotated[
        str, typer.Option("--listen", metavar="[HOST:]PORT", help="Where Prometheus asks.")
    ] = "127.0.0.1:9464",
    once: Annotated[bool, typer.Option("--once", help="Print the metrics to standard output, and end.")] = False,
    max_queues: Annotated[
        int, typer.Option("--max-queues", min=1, help="Only so many queues, those at work first.")
    ] = 1000,
    url: Url = None,
) -> None:
    """Show all queues of a server to Prometheus: docs/metrics.md has the list.

    It goes on while the server is away, and says so by heroq_up 0; `--once` then has the exit code 5.
    """
    try:
        from ..metrics.board import BoardCollector
        from ..metrics.serving import Port, text_of
    except ImportError as error:
        raise InvalidError(f"{error.name} is missing: pip install heroq[metrics]") from None
    to_stderr(False)
    with Client(url, connect="lazy", connect_timeout=_PATIENCE, op_timeout=_PATIENCE) as client:
        collector = BoardCollector(client, max_queues=max_queues)
        if once:
            print(text_of(collector), end="")
            raise typer.Exit(0 if collector.is_up else 5)
        port = Port(listen, collector)
        try:
            with Terminated() as terminated:
                log.info("metrics are on port %d", port.port)
                while not terminated.is_set():
                    time.sleep(_LOOK)
        finally:
            port.close()


def add_to(app: typer.Typer) -> None:
    app.command()(metrics)
