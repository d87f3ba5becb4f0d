"""A process that claims, computes and finishes operations until all are done: `python -m tests.support.claimer LEDGER ARTIFACTS LOG N`.

It holds no lease on the home, so what a killed one left is taken over only when its claim has lapsed. Every execution it begins is one line
in LOG: operation, pid.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from pathlib import Path

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.memory.stores import Stores

LEASE_SECONDS = 2.0
ROUNDS = 80_000  # of hashing: some fifty milliseconds


def answer(number: int) -> bytes:
    """Return what operation `number` computes."""
    return hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"nullalpha", ROUNDS)


def main() -> None:
    """Work until every operation is done."""
    stores, artifacts = Stores.open(Path(sys.argv[1])), ArtifactStore(Path(sys.argv[2]))
    log = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    owner, waiting = f"{os.getpid()}-{secrets.token_hex(4)}", list(range(int(sys.argv[4])))
    while waiting:
        number = waiting.pop(0)
        claim = stores.operations.claim(
            f"operation {number}", "warm", owner=owner, now=time.time(), lease_seconds=LEASE_SECONDS, campaign_id=None, summary={}
        )
        if claim.granted:
            os.write(log, f"{number} {os.getpid()}\n".encode())
            digest = artifacts.put("answer.bin", answer(number))
            stores.operations.finish(claim.row.id, owner=owner, epoch=claim.row.epoch, result={"number": number, "artifact": digest})
        elif claim.row.status != "done":
            waiting.append(number)
            time.sleep(0.01)


if __name__ == "__main__":
    main()
