"""Strategies of other programs, translated into documents of the language."""

from nullalpha.strategy.importing.imported import Imported, Note
from nullalpha.strategy.importing.ktrdr import import_ktrdr

__all__ = ["Imported", "Note", "import_ktrdr"]
