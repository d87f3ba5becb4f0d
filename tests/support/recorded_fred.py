"""FRED's part in its XML, for a series whose observations come out one at a time and are never revised."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.recorded_service import Answer, Asked, Recording

KEY_NAME = "NULLALPHA_FRED_KEY"
KEY = "abcdef0123456789abcdef0123456789"


def recorded_fred(released: Mapping[str, tuple[str, float]], title: str = "Unemployment Rate") -> Recording:
    """Return what the service answers.

    Args:
        released: by date of release: the observation's date and its value.
    """

    def recording(asked: Asked) -> Answer:
        if asked.query.get("api_key") != KEY:
            return _xml('<error code="400" message="Bad Request.  The value for variable api_key is not registered." />', 400)
        if asked.path == "/fred/series":
            return _xml(f'<seriess><series id="X" title="{title}" frequency="Monthly" units="Percent" /></seriess>')
        if asked.path == "/fred/series/vintagedates":
            return _xml("<vintage_dates>" + "".join(f"<vintage_date>{day}</vintage_date>" for day in released) + "</vintage_dates>")
        first, last = asked.query["realtime_start"], asked.query["realtime_end"]
        lines = [
            f'<observation realtime_start="{max(day, first)}" realtime_end="9999-12-31" date="{date}" value="{value}"/>'
            for day, (date, value) in released.items()
            if day <= last
        ]
        return _xml(f'<observations count="{len(lines)}">{"".join(lines)}</observations>')

    return recording


def _xml(text: str, status: int = 200) -> Answer:
    return Answer(f'<?xml version="1.0" encoding="utf-8" ?>\n{text}', status=status, kind="text/xml; charset=UTF-8")
