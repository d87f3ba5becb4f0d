from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nullalpha.app.lab import Lab
from nullalpha.tools.door import ToolDoor


@pytest.fixture
def lab(home: Path) -> Iterator[Lab]:
    opened = Lab(home)
    yield opened
    opened.stores.ledger.close()


@pytest.fixture
def door(lab: Lab) -> Callable[[bool], ToolDoor]:
    """Return the door of a person, or of an agent whose files lie in the home's folder `desk`."""
    root = lab.home / "desk"
    root.mkdir(parents=True)
    return lambda person: lab.door("cli" if person else "agent:designer", person=person, path_root=root)
