"""The lease on a home: one holder among all processes, and none after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nullalpha.core.errors import HomeError, RefusedError
from nullalpha.operations.lease import HomeLease
from tests.support.waiting import wait_until

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom nullalpha.operations.lease import HomeLease\n"
    "with HomeLease(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.readline()"
)
LOOK = (
    "import sys\nfrom pathlib import Path\nfrom nullalpha.operations.lease import HomeLease\n"
    "print('looking', flush=True)\nlease = HomeLease(Path(sys.argv[1]))\nwhile True:\n    lease.held_elsewhere()"
)


@pytest.fixture
def folder(home: Path) -> Path:
    home.mkdir()
    return home


@contextmanager
def process(program: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", program, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() != ""
        yield running
        running.kill()


def test_a_second_process_is_refused_and_told_who_holds(folder: Path) -> None:
    with process(HOLD, folder) as holder:
        lease = HomeLease(folder)
        assert lease.held_elsewhere()
        assert not lease.try_acquire()
        assert lease.holder() == holder.pid
        with pytest.raises(RefusedError, match=f"pid {holder.pid}"), lease:
            pass


def test_the_lease_is_free_when_its_holder_ends(folder: Path) -> None:
    with process(HOLD, folder) as holder:
        holder.communicate("end\n", timeout=30)
        with HomeLease(folder) as lease:
            assert lease.holder() == os.getpid()
            assert not lease.held_elsewhere()
            assert HomeLease(folder).held_elsewhere()
        assert not HomeLease(folder).held_elsewhere()


def test_the_lease_is_free_when_its_holder_is_killed(folder: Path) -> None:
    with process(HOLD, folder) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        wait_until(lambda: not HomeLease(folder).held_elsewhere(), "the kernel frees the lock")
        with HomeLease(folder) as lease:
            assert lease.holder() == os.getpid()


def test_a_child_process_of_the_holder_does_not_keep_the_lease(folder: Path) -> None:
    program = HOLD.replace("    print", "    import subprocess\n    subprocess.Popen(['sleep', '60'], close_fds=False)\n    print")
    program = program.replace("subprocess.Popen(", "child = subprocess.Popen(").replace("print('held'", "print(child.pid")
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            holder.kill()
            wait_until(lambda: not HomeLease(folder).held_elsewhere(), "the kernel frees the lock")
        finally:
            os.kill(child, signal.SIGKILL)


def test_who_only_looks_does_not_keep_another_from_the_lease(folder: Path) -> None:
    with process(LOOK, folder):
        for _ in range(50):
            with HomeLease(folder) as lease:
                assert lease.holder() == os.getpid()


def test_two_who_look_do_not_take_each_other_for_the_holder(folder: Path) -> None:
    with process(LOOK, folder):
        assert not any(HomeLease(folder).held_elsewhere() for _ in range(500))


def test_a_home_that_is_not_there_has_no_lease(folder: Path) -> None:
    with pytest.raises(HomeError, match="cannot open"):
        HomeLease(folder / "missing").try_acquire()
    assert HomeLease(folder).holder() is None
