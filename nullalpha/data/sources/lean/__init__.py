"""QuantConnect LEAN's data folder: daily, hour and minute bars of equities, currencies, CFDs and crypto."""

from nullalpha.data.sources.lean.reader import Folder, Unread, not_read, open_lean, read_lean

__all__ = ["Folder", "Unread", "not_read", "open_lean", "read_lean"]
