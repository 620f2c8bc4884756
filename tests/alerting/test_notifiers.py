import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from foundation_lab.alerting import (
    InMemoryNotifier,
    Notification,
    Notifier,
    PatternRule,
    WebhookNotifier,
    watch,
)
from foundation_lab.errors import MissingExtra
from foundation_lab.recording.recording import Recording
from tests.alerting.driving import BREAKER, closed, opened, playing

FIRING = Notification("firing", "open/db#1", "open", "db", "warning", "It is open", 1.0, 2.5)


class Server:
    """A web server on this machine that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.received.append((self.headers.get("X-Token", ""), json.loads(body)))
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                if 300 <= server.status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = Server()
    yield found
    found.close()


def recorded(notifier: Notifier) -> Recording:
    """Return the recording of a run (seed 1) in which a breaker opens and closes."""
    sim = playing([(1, opened()), (2, closed())])
    rule = PatternRule(
        name="open",
        event=BREAKER,
        by="service_id",
        where={"to": "open"},
        resolve_where={"to": "closed"},
    )
    alerts = watch(sim, [rule], notifiers=[notifier])
    sim.run()
    alerts.finish()
    return sim.recording


def test_each_notification_is_posted_as_json_when_the_run_is_over(server: Server) -> None:
    hook = WebhookNotifier(server.url, headers={"X-Token": "secret"})
    recorded(hook)
    assert [(token, body["state"]) for token, body in server.received] == [
        ("secret", "firing"),
        ("secret", "resolved"),
    ]
    assert server.received[0][1] == {
        "version": 1,
        "state": "firing",
        "alert_id": "open/db#1",
        "rule": "open",
        "key": "db",
        "severity": "warning",
        "description": "",
        "value": 1.0,
        "time": 1.0,
        "level": 0,
        "reminder": 0,
    }
    assert [(posted.status, posted.delivered) for posted in hook.results] == [(200, True)] * 2


def test_the_digest_does_not_depend_on_the_server(server: Server) -> None:
    well = WebhookNotifier(server.url)
    digest = recorded(well).digest
    server.status = 500
    failing = WebhookNotifier(server.url)
    assert recorded(failing).digest == digest
    server.close()
    down = WebhookNotifier(server.url, timeout=2)
    assert recorded(down).digest == digest
    results = [[posted.delivered for posted in hook.results] for hook in (well, failing, down)]
    assert results == [[True, True], [False, False], [False, False]]


def test_the_event_says_that_the_notification_was_accepted() -> None:
    hook = WebhookNotifier("http://127.0.0.1:1/nobody-listens", timeout=1)
    recording = recorded(hook)
    assert recording.frame("alert.notified")["delivered"].to_list() == [True, True]
    assert not any(posted.delivered for posted in hook.results)


def test_what_went_wrong_is_told_with_its_result(server: Server) -> None:
    server.status = 503
    hook = WebhookNotifier(server.url)
    hook.notify(FIRING)
    hook.flush()
    assert hook.results[0].error == "HTTP status 503"
    assert hook.results[0].notification == FIRING


def test_redirects_are_not_followed(server: Server) -> None:
    server.status = 302
    hook = WebhookNotifier(server.url)
    hook.notify(FIRING)
    hook.flush()
    assert len(server.received) == 1
    assert hook.results[0].status == 302
    assert not hook.results[0].delivered


def test_a_flush_gives_up_after_three_failures_in_a_row(server: Server) -> None:
    server.status = 500
    hook = WebhookNotifier(server.url)
    for _ in range(5):
        hook.notify(FIRING)
    hook.flush()
    assert len(server.received) == 3
    assert hook.results[-1].error == "given up after 3 failures"


def test_a_second_flush_does_not_post_again(server: Server) -> None:
    hook = WebhookNotifier(server.url)
    hook.notify(FIRING)
    hook.flush()
    hook.flush()
    assert len(server.received) == 1
    assert repr(hook) == "<WebhookNotifier 'webhook' to 127.0.0.1: 0 pending, 1 of 1 delivered>"


def test_the_address_of_a_webhook_does_not_show_its_secrets() -> None:
    hook = WebhookNotifier("https://user:password@example.org/hook?token=secret")
    assert "secret" not in repr(hook)
    assert "password" not in repr(hook)


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "example.org/hook", "http://"])
def test_only_http_addresses_are_accepted(url: str) -> None:
    with pytest.raises(ValueError, match="http:// or https://"):
        WebhookNotifier(url)


def test_a_timeout_must_be_above_0() -> None:
    with pytest.raises(ValueError, match="timeout=0"):
        WebhookNotifier("http://a/b", timeout=0)


def test_without_httpx_the_error_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    hook = WebhookNotifier("http://a/b")
    hook.flush()
    hook.notify(FIRING)
    with pytest.raises(MissingExtra, match=r"foundation-lab\[http\]"):
        hook.flush()
    assert hook.pending == [FIRING]


def test_a_notifier_in_memory_says_how_much_it_was_told() -> None:
    mail = InMemoryNotifier("mail")
    mail.notify(FIRING)
    assert repr(mail) == "<InMemoryNotifier 'mail': 1 notifications>"
