"""A worker process: reads jobs as JSON lines on stdin, answers as JSON lines on its original stdout.

It dies with its parent (PR_SET_PDEATHSIG on Linux, a watch on the parent's pid elsewhere), shows a heartbeat while it works, and
turns whatever a job raises into a typed answer. Anything that a library prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.egress import close_egress
from nullalpha.core.errors import NullAlphaError, OperationError
from nullalpha.operations.jobs import load_job

HEARTBEAT_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve jobs until stdin closes. Arguments: the artifact folder and the parent's pid."""
    close_egress()
    root, parent = Path(sys.argv[1]), int(sys.argv[2])
    _die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()
    threading.Thread(target=_beat, args=(answers, lock, parent), daemon=True).start()
    _send(answers, lock, {"event": "ready"})
    for line in sys.stdin:
        _send(answers, lock, _run(json.loads(line), ArtifactStore(root), answers, lock))


def _run(request: Mapping[str, Any], artifacts: ArtifactStore, answers: TextIO, lock: threading.Lock) -> dict[str, Any]:
    def progress(body: Mapping[str, Any]) -> None:
        _send(answers, lock, {"event": "progress", "body": dict(body)})

    try:
        result = load_job(request["kind"])(request["payload"], artifacts, progress)
        json.dumps(result, allow_nan=False)
    except NullAlphaError as error:
        return {"event": "failed", "error": error.to_dict()}
    except MemoryError:
        return {"event": "failed", "error": OperationError("the worker ran out of memory", suggestion="use fewer --workers").to_dict()}
    except Exception as error:  # noqa: BLE001  (the door of this process: everything leaves it typed, with its trace in the log)
        traceback.print_exc(file=sys.stderr)
        message = f"{request['kind']} failed in a way that it did not foresee ({type(error).__name__})"
        return {"event": "failed", "error": OperationError(message, suggestion="the worker's log holds the trace").to_dict()}
    return {"event": "done", "result": result}


def _send(answers: TextIO, lock: threading.Lock, message: Mapping[str, Any]) -> None:
    with lock:
        answers.write(json.dumps(message) + "\n")
        answers.flush()


def _beat(answers: TextIO, lock: threading.Lock, parent: int) -> None:
    pause = threading.Event()
    while not pause.wait(HEARTBEAT_SECONDS):
        if os.getppid() != parent:
            os._exit(1)
        try:
            _send(answers, lock, {"event": "heartbeat"})
        except (BrokenPipeError, ValueError):
            os._exit(1)


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main()
