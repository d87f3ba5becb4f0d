"""Put on PYTHONPATH, this writes every connection and name look-up of a Python process, and of its children, to a file.

The file is named in WATCH_CONNECTIONS; a line is a JSON list [pid, event, address].
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in EVENTS:
        address = arguments[0] if event.startswith("socket.get") else arguments[1]
        line = json.dumps([os.getpid(), event, address if isinstance(address, str) else list(address or [])], default=repr)
        file = os.open(os.environ["WATCH_CONNECTIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, f"{line}\n".encode())
        os.close(file)


if "WATCH_CONNECTIONS" in os.environ:
    sys.addaudithook(_watch)
