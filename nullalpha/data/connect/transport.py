"""The transport under the clients that speak through `requests`: whole JSON answers or another try. Imported only when one is used.

A transport adapter is where `requests` lets its users in, so a client's own requests, pages and answers stay its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as UnreachableError
from requests.exceptions import RequestException, Timeout

from nullalpha.data.connect.retry import FaultError, Patience, within


class PatientAdapter(HTTPAdapter):
    """Sends a request until it has a whole answer whose status is not one of passing trouble.

    Args:
        service: who is asked, for errors.
        patience: what to do about faults.
    """

    def __init__(self, service: str, patience: Patience) -> None:
        super().__init__()
        self._service = service
        self._patience = patience

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the answer, read to its end; a status of 4xx is the client's to judge.

        Raises:
            TransientError: when patience is at its end.
        """

        def whole(seconds: float) -> Response:
            response = super(PatientAdapter, self).send(request, False, seconds, verify, cert, dict(proxies or {}))
            _ = response.content
            return response

        def once(seconds: float) -> Response:
            try:
                response = within(seconds, lambda: whole(seconds))
            except Timeout:
                raise FaultError("timeout", f"no whole answer within {seconds:g} s") from None
            except UnreachableError as error:
                raise _broken_or_unreachable(error) from None
            except RequestException as error:
                raise FaultError("broken answer", f"the answer broke off ({type(error).__name__})") from None
            self._patience.judge(response.status_code, response.headers.get("Retry-After"))
            if response.status_code == 200:
                _require_json(response.content)
            return response

        return self._patience.ask(self._service, once)


def patient_session(service: str, patience: Patience) -> Session:
    """Return a session all of whose requests are patient."""
    session = Session()
    mount(session, service, patience)
    return session


def mount(session: Session, service: str, patience: Patience) -> None:
    """Make all requests of a session patient."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, PatientAdapter(service, patience))


def _broken_or_unreachable(error: UnreachableError) -> FaultError:
    text = str(error)
    if "Connection aborted" in text or "Connection broken" in text or "IncompleteRead" in text:
        return FaultError("broken answer", "it hung up in the middle")
    return FaultError("timeout", "it did not send in time") if "timed out" in text else FaultError("unreachable", "it cannot be reached")


def _require_json(body: bytes) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise FaultError("broken answer", f"its answer of {len(body)} bytes is no whole JSON") from None
