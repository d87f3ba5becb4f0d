"""Every typed error of the lab.

An error says what, where, the value and the nearest fix. `code` is stable and snake_case; doors print `message`
and `suggestion` and exit with `exit_code`; nothing else reaches a user.

NullAlphaError
+-- UsageError                 exit 2: bad arguments or configuration
|   +-- NotFoundError          a named thing does not exist
|   +-- SettingsError          settings file or environment
|   +-- HomeError              the home cannot be used
|   +-- SpecError              a strategy document is invalid; carries every issue
|   +-- DataError              bars or a bar file are unusable; carries findings
|   |   +-- InsufficientBarsError
|   +-- SealedZoneError        a read beyond the zone that a view is bound to
|   +-- RefusedError           a rule of the lab forbids it (state, evidence, scope)
+-- ArtifactError              a stored artifact is missing or torn
+-- OperationError             a job failed
|   +-- WorkerDiedError        its process ended without an answer
+-- StorageFullError           the disk is full; the campaign pauses
+-- TrainingDivergedError      a loss became NaN or infinite
+-- TransientError             may work if tried again
|   +-- ModelUnavailableError  the model server refuses, hangs or is gone
+-- ModelAnswerError           a model's answer stayed invalid after bounded repair
+-- BudgetExhaustedError       exit 4
+-- CancelledError             exit 130
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import ClassVar


class NullAlphaError(Exception):
    """Base of all typed errors.

    Args:
        message: one sentence that says what and where.
        path: where in a document, file or call (dotted), if there is such a place.
        value: the offending value, as text.
        suggestion: the nearest fix.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, path: str | None = None, value: object = None, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.value = None if value is None else str(value)[:200]
        self.suggestion = suggestion

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain JSON values."""
        return {
            "code": self.code,
            "message": self.message,
            "path": self.path,
            "value": self.value,
            "suggestion": self.suggestion,
        }


class UsageError(NullAlphaError):
    code = "usage"
    exit_code = 2


class NotFoundError(UsageError):
    code = "not_found"


class SettingsError(UsageError):
    code = "settings"


class HomeError(UsageError):
    code = "home"


@dataclass(frozen=True)
class Issue:
    """One thing wrong (or doubtful) in a document: where, what, the value, and the nearest fix."""

    path: str
    code: str
    message: str
    value: str | None = None
    suggestion: str | None = None


class SpecError(UsageError):
    """A strategy document is invalid; `issues` holds every error found, not only the first."""

    code = "invalid_strategy"

    def __init__(self, issues: Sequence[Issue]) -> None:
        first = issues[0]
        more = f" (+{len(issues) - 1} more)" if len(issues) > 1 else ""
        super().__init__(f"{first.path}: {first.message}{more}", path=first.path, value=first.value, suggestion=first.suggestion)
        self.issues: tuple[Issue, ...] = tuple(issues)

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "errors": [asdict(issue) for issue in self.issues]}


@dataclass(frozen=True)
class Finding:
    """One thing found in a bar file: `row` counts data rows from 0; `time` is ISO 8601 or None."""

    code: str
    row: int | None
    time: str | None
    message: str
    severity: str = "error"


class DataError(UsageError):
    code = "data"

    def __init__(
        self,
        message: str,
        *,
        findings: Sequence[Finding] = (),
        path: str | None = None,
        value: object = None,
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message, path=path, value=value, suggestion=suggestion)
        self.findings: tuple[Finding, ...] = tuple(findings)

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "findings": [asdict(finding) for finding in self.findings]}


class InsufficientBarsError(DataError):
    code = "insufficient_bars"


class SealedZoneError(UsageError):
    code = "sealed_zone"


class RefusedError(UsageError):
    code = "refused"


class ArtifactError(NullAlphaError):
    code = "artifact"


class OperationError(NullAlphaError):
    code = "operation_failed"


class WorkerDiedError(OperationError):
    code = "worker_died"


class StorageFullError(NullAlphaError):
    code = "storage_full"


class TrainingDivergedError(NullAlphaError):
    code = "training_diverged"


class TransientError(NullAlphaError):
    code = "transient"


class ModelUnavailableError(TransientError):
    code = "model_unavailable"


class ModelAnswerError(NullAlphaError):
    code = "model_answer"


class BudgetExhaustedError(NullAlphaError):
    code = "budget_exhausted"
    exit_code = 4


class CancelledError(NullAlphaError):
    code = "cancelled"
    exit_code = 130


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name most like `name`, or None if none is near."""
    found = get_close_matches(name, known, n=1, cutoff=0.5)
    return found[0] if found else None
