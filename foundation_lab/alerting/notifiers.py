"""Notifiers: who is told that an alert fires, or that it is resolved.

Telling must not change what is told: a notifier *accepts* a notification while the simulation
runs, and does whatever depends on the outer world in `flush`, when the run is over. So
``foundation.alert.notified`` says ``delivered`` of the hand-over, and the digest of a recording
does not depend on anybody's server; `WebhookNotifier.results` says what became of each request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from foundation_lab.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

GIVE_UP_AFTER = 3
"""After how many failures in a row a webhook's flush stops trying."""


class Notification(NamedTuple):
    """What a notifier is told.

    Attributes:
        state: ``firing`` or ``resolved``.
        alert_id: The alert.
        rule: The rule's name.
        key: The group of the rule's `by`; empty without.
        severity: ``info``, ``warning`` or ``critical``.
        description: The rule's.
        value: The number that was judged; ``None`` where none is left.
        time: When it is told, in virtual seconds.
        level: 0, or 1 after the escalation.
        reminder: 0 for the first time, then 1, 2, ...
    """

    state: str
    alert_id: str
    rule: str
    key: str
    severity: str
    description: str
    value: float | None
    time: float
    level: int = 0
    reminder: int = 0


class Notifier(Protocol):
    """Somebody who can be told. What it raises is caught: alerts never break a simulation."""

    @property
    def name(self) -> str:
        """What rules and routes call it."""

    def notify(self, notification: Notification) -> None:
        """Accept a notification; raise when that is impossible."""

    def flush(self) -> None:
        """Do what had to wait for the end of the run."""


class InMemoryNotifier:
    """Keeps what it is told in `notifications`."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.notifications: list[Notification] = []

    def notify(self, notification: Notification) -> None:
        """Keep a notification."""
        self.notifications.append(notification)

    def flush(self) -> None:
        """Do nothing: all is there."""

    def __repr__(self) -> str:
        """Return one line: the name, and how much it was told."""
        return f"<InMemoryNotifier {self.name!r}: {len(self.notifications)} notifications>"


class Posted(NamedTuple):
    """What became of one webhook request.

    Attributes:
        notification: What was sent.
        status: The server's answer; ``None`` when there was none.
        error: Why it was not delivered; ``None`` when it was.
    """

    notification: Notification
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        """Whether the server answered with a 2xx status."""
        return self.error is None


class WebhookNotifier:
    """Posts each notification as JSON to a URL, when it is flushed.

    The body of a request is one object with the fields of `Notification` and ``"version": 1``:

    ```json
    {"version": 1, "state": "firing", "alert_id": "errors/db#1", "rule": "errors", "key": "db",
     "severity": "critical", "description": "", "value": 0.4, "time": 61.5, "level": 0,
     "reminder": 0}
    ```

    Delivery is at most once: a request is not repeated, redirects are not followed, and after
    `GIVE_UP_AFTER` failures in a row the rest of that flush is given up. A failure never raises; it
    is a line in `results`.

    Args:
        url: Where to; http or https.
        name: What rules and routes call it.
        timeout: Wall-clock seconds that a request may take.
        headers: More request headers, such as an authorization.

    Raises:
        ValueError: The URL is not an absolute http or https one, or the timeout is not above 0.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "webhook",
        timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = f"{url!r} is no webhook; give an absolute http:// or https:// address"
            raise ValueError(message)
        if not timeout > 0:
            message = f"timeout={timeout!r}; give a number of seconds above 0"
            raise ValueError(message)
        self.name = name
        self.url = url
        self.timeout = timeout
        self.pending: list[Notification] = []
        self.results: list[Posted] = []
        self._headers = dict(headers or {})

    def notify(self, notification: Notification) -> None:
        """Put a notification aside for the next flush."""
        self.pending.append(notification)

    def flush(self) -> None:
        """Post what was put aside, in order; what became of it is added to `results`.

        Raises:
            MissingExtra: httpx is not installed.
        """
        if not self.pending:
            return
        httpx = _httpx()
        pending, self.pending = self.pending, []
        failures = 0
        with httpx.Client(timeout=self.timeout, headers=self._headers) as client:
            for notification in pending:
                if failures < GIVE_UP_AFTER:
                    posted = self._post(client, notification, httpx.HTTPError)
                else:
                    posted = Posted(notification, None, f"given up after {failures} failures")
                failures = 0 if posted.delivered else failures + (failures < GIVE_UP_AFTER)
                self.results.append(posted)

    def __repr__(self) -> str:
        """Return one line: the name, the host, and how many requests wait and were delivered."""
        delivered = sum(posted.delivered for posted in self.results)
        return (
            f"<WebhookNotifier {self.name!r} to {urlsplit(self.url).hostname}: "
            f"{len(self.pending)} pending, {delivered} of {len(self.results)} delivered>"
        )

    def _post(
        self, client: httpx.Client, notification: Notification, failure: type[Exception]
    ) -> Posted:
        try:
            answer = client.post(self.url, json=payload(notification))
        except failure as error:
            return Posted(notification, None, f"{type(error).__name__}: {error}")
        if answer.is_success:
            return Posted(notification, answer.status_code, None)
        return Posted(notification, answer.status_code, f"HTTP status {answer.status_code}")


def payload(notification: Notification) -> dict[str, Any]:
    """Return a notification as the JSON object that a webhook receives."""
    return {"version": 1, **notification._asdict()}


def _httpx() -> Any:
    try:
        import httpx  # noqa: PLC0415  (optional, and slow to import)
    except ImportError:
        raise MissingExtra.of("httpx", "http") from None
    return httpx
