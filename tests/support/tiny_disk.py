"""A disk that is really full: `python -m tests.support.tiny_disk artifacts|ledger FOLDER`, run where FOLDER is a file system of 3 MB.

`on_tiny_disk` runs it in a mount namespace of its own, so that nothing stays mounted. Prints one JSON object.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
SIZE = 3 * 1024**2


def can_mount() -> bool:
    """Return whether this machine lets a test mount a file system in a namespace of its own."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def on_tiny_disk(what: str, folder: Path) -> dict[str, Any]:
    """Fill a disk with artifacts or with a ledger's rows, and return what was seen."""
    folder.mkdir()
    script = (
        f"mount -t tmpfs -o size={SIZE} none {shlex.quote(str(folder))} && "
        f"exec {sys.executable} -m tests.support.tiny_disk {what} {shlex.quote(str(folder))}"
    )
    ended = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


def fill_with_artifacts(folder: Path) -> dict[str, Any]:
    """Put one artifact that fits and one that does not, then one that fits again."""
    from nullalpha.core.artifacts import ArtifactStore
    from nullalpha.core.errors import ArtifactError, StorageFullError
    from nullalpha.core.fingerprint import sha256_hex

    store = ArtifactStore(folder / "artifacts")
    kept, large = store.put("a.bin", b"a" * 1000), b"b" * (2 * SIZE)
    seen: dict[str, Any] = {"error": None, "missing": None}
    try:
        store.put("b.bin", large)
    except StorageFullError as error:
        seen["error"] = error.to_dict()
    try:
        store.path(sha256_hex(large))
    except ArtifactError as error:
        seen["missing"] = error.code
    later = store.put("c.bin", b"c" * 1000)
    files = sorted(path.name for path in folder.rglob("*") if path.is_file())
    return seen | {"files": files, "kept": store.get(kept) == b"a" * 1000, "later": store.get(later) == b"c" * 1000}


def fill_with_rows(folder: Path) -> dict[str, Any]:
    """Write rows until the disk is full, then make room and look at what is there."""
    from nullalpha.core.errors import StorageFullError
    from nullalpha.memory.stores import Stores

    (folder / "ballast").write_bytes(b"x" * (SIZE // 3))
    stores = Stores.open(folder / "ledger.db")
    acknowledged, error = 0, None
    while error is None:
        try:
            stores.audit.model_call(None, {"number": acknowledged, "text": "y" * 2000})
            acknowledged += 1
        except StorageFullError as full:
            error = full.to_dict()
    (folder / "ballast").unlink()
    stores.audit.model_call(None, {"number": acknowledged})
    stores.ledger.close()
    again = Stores.open(folder / "ledger.db")
    numbers = [row["body"]["number"] for row in again.audit.model_calls()]
    return {"acknowledged": acknowledged, "error": error, "complete": numbers == list(range(acknowledged + 1))}


FILLS: dict[str, Callable[[Path], dict[str, Any]]] = {"artifacts": fill_with_artifacts, "ledger": fill_with_rows}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(FILLS[sys.argv[1]](Path(sys.argv[2]))))
