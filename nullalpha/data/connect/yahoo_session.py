"""The HTTP session under yfinance: impersonates a browser as yfinance's own does, moves to another address where told, and is patient.

Only requests for bars are tried again. Cookie and crumb are extras that yfinance fetches by itself and can do without.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import ConnectionError as UnreachableError
from curl_cffi.requests.exceptions import RequestException, Timeout

from nullalpha.data.connect.retry import FaultError, Patience

CHART = "/v8/finance/chart/"


class YahooSession(Session[Response]):
    """A session that yfinance accepts as its own.

    Args:
        patience: what to do about faults.
        base_url: asked in place of every host; None to leave addresses as they are.
    """

    def __init__(self, patience: Patience, base_url: str | None) -> None:
        super().__init__(impersonate="chrome")
        self._patience = patience
        self._moved_to = base_url

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Response:
        """Return the answer to a request.

        Raises:
            TransientError: when patience is at its end.
        """
        target = _moved(url, self._moved_to)
        if CHART not in urlsplit(url).path:
            return super().request(method, target, *args, **options)
        return self._patience.ask("Yahoo Finance", partial(self._once, method, target, args, options))

    def _once(self, method: Any, url: str, args: tuple[Any, ...], options: dict[str, Any], seconds: float) -> Response:
        try:
            response = super().request(method, url, *args, **{**options, "timeout": seconds})
        except Timeout:
            raise FaultError("timeout", f"no whole answer within {seconds:g} s") from None
        except UnreachableError:
            raise FaultError("unreachable", "it cannot be reached") from None
        except RequestException as error:
            raise FaultError("broken answer", f"the answer broke off ({type(error).__name__})") from None
        self._patience.judge(response.status_code, response.headers.get("Retry-After"))
        if response.status_code == 200:
            _require_chart(response)
        return response


def _require_chart(response: Response) -> None:
    try:
        body = json.loads(response.content)
    except ValueError:
        raise FaultError("broken answer", f"its answer of {len(response.content)} bytes is no whole JSON") from None
    if not isinstance(body, dict) or "chart" not in body:
        raise FaultError("broken answer", "its answer holds no chart")


def _moved(url: str, base_url: str | None) -> str:
    if base_url is None:
        return url
    parts = urlsplit(url)
    return base_url.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")
