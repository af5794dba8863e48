"""The health page: whether this server can do its work, for load balancers and monitors.

Answered by the server itself, without the application, on a path that the operator
chooses (``--health-path``); off by default, because the path would be taken from the
application.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def health_page(
    *,
    layer_up: bool,
    draining: bool,
    attended: bool,
    sockets: int,
    requests: int,
    counters: Mapping[str, int],
) -> tuple[int, bytes]:
    """Return status and JSON body: 200 while new work is welcome, else 503.

    Args:
        layer_up: Whether the channel layer answers.
        draining: Whether the server is about to stop.
        attended: Whether some worker is there, or may be soon.
        sockets: WebSockets that are connected.
        requests: HTTP requests that are not answered.
        counters: What happened so far.
    """
    if draining:
        word = "draining"
    elif not layer_up:
        word = "no layer"
    else:
        word = "ok" if attended else "no workers"
    status = 200 if word == "ok" else 503
    body: dict[str, Any] = {
        "status": word,
        "sockets": sockets,
        "requests": requests,
        "counters": dict(counters),
    }
    return status, json.dumps(body).encode()
