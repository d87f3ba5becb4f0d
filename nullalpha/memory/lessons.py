"""Lessons in the ledger, by campaign and generation; the last generation's are what a campaign learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import insert_once
from nullalpha.memory.tables import lessons


@dataclass(frozen=True)
class LessonRow:
    """A lesson with the experiments that it rests on and the data window that they saw (ISO dates)."""

    id: str
    text: str
    evidence: list[str]
    window: tuple[str, str]
    campaign_id: str


class LessonStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put(self, campaign_id: str, generation: int, found: Sequence[LessonRow]) -> None:
        """Record the lessons of a generation, in order, each once."""
        with self._ledger.write() as connection:
            for position, lesson in enumerate(found):
                row = {
                    "id": lesson.id,
                    "campaign_id": campaign_id,
                    "generation": generation,
                    "position": position,
                    "created": now_text(),
                    "text": lesson.text,
                    "evidence": lesson.evidence,
                    "window_start": lesson.window[0],
                    "window_end": lesson.window[1],
                }
                insert_once(connection, lessons, row)

    def of_campaign(self, campaign_id: str) -> list[LessonRow]:
        """Return what the campaign's latest finished generation taught, in order of weight."""
        latest = select(func.max(lessons.c.generation)).where(lessons.c.campaign_id == campaign_id).scalar_subquery()
        query = select(lessons).where(lessons.c.campaign_id == campaign_id, lessons.c.generation == latest).order_by(lessons.c.position)
        with self._ledger.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [LessonRow(r["id"], r["text"], r["evidence"], (r["window_start"], r["window_end"]), r["campaign_id"]) for r in rows]
