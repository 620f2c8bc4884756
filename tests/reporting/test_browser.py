"""The page in a browser: Debian's chromium, without a network. The worlds draw from seed 11."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import write_report
from foundation_lab.reporting.report import CHARTS
from foundation_lab.simulation.engine import Simulation
from tests.reporting.worlds import checkout_under_outage

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=20000",
    "--timeout=60000",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None, reason=f"{CHROMIUM} is not installed: apt install chromium"
    ),
]


def browse(page: Path, profile: Path, *, width: int = 1280) -> tuple[str, list[str]]:
    """Return a page's elements after its scripts have run, and what they wrote to the console."""
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},1600",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def plots(dom: str) -> dict[str, str]:
    """Return what is drawn in each place of a chart, by its id."""
    body = dom[: dom.index('<script type="application/json"')]
    parts = re.split(r'<div class="plot[^"]*" id="([^"]+)"', body)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("width", [1280, 500])
def test_every_chart_is_drawn_without_a_word_on_the_console(tmp_path: Path, width: int) -> None:
    page = write_report(checkout_under_outage(), tmp_path / "report.html")
    dom, console = browse(page, tmp_path / "profile", width=width)
    assert console == []
    drawn = plots(dom)
    assert list(drawn) == [f"chart-{name.replace('_', '-')}" for name in CHARTS]
    for name, chart in drawn.items():
        assert 'class="main-svg"' in chart, name
        assert "alert fires" in chart or name == "chart-incidents"
        assert "modebar-btn" in chart, name
        assert "Share chart" not in chart, name
        assert "plotly.com" not in chart, name


def test_names_full_of_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = "<b>x</b><script>alert(1)</script></script>"
    page = write_report(checkout_under_outage(odd=odd), tmp_path / "report.html")
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    drawn = plots(dom)
    assert len(drawn) == len(CHARTS)
    assert "payments&lt;b&gt;x&lt;/b&gt;" in drawn["chart-breakers"]
    assert "font-weight:bold" not in drawn["chart-breakers"].replace(" ", "")
    body = dom[: dom.index('<script type="application/json"')]
    assert body.count("<script") == 0


def test_an_empty_recording_makes_a_quiet_page(tmp_path: Path) -> None:
    page = write_report(Simulation(seed=7).recording, tmp_path / "report.html")
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert plots(dom) == {}


def test_a_saved_recording_on_the_wall_clock_is_drawn(tmp_path: Path) -> None:
    checkout_under_outage().save(tmp_path / "run")
    page = tmp_path / "report.html"
    write_report(Recording.load(tmp_path / "run"), page, wall_clock=True)
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert "wall clock (UTC)" in plots(dom)["chart-latency"]
