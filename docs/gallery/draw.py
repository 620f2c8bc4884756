"""Draws the figures of docs/gallery.md: `make gallery`. Needs Debian's chromium."""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from plotly.graph_objects import Figure

from foundation_lab import lab
from foundation_lab.recording.recording import Recording
from foundation_lab.reporting import charts
from foundation_lab.scenario.load import load_scenario

HERE = Path(__file__).parent
SCENARIOS = HERE.parents[1] / "scenarios"
WIDTH = 900
"""Pixels."""

IN_A_PAGE = """
const gd = document.getElementsByClassName("plotly-graph-div")[0];
Plotly.toImage(gd, {{format: "svg", width: {width}, height: {height}}}).then((url) => {{
  document.body.textContent = decodeURIComponent(url.slice(url.indexOf(",") + 1));
}});
"""


def main(names: list[str]) -> None:
    """Draw the figure of each scenario that has variants, or of those that are named."""
    for path in sorted(SCENARIOS.glob("*.yaml")):
        if load_scenario(path).variants and (not names or path.stem in names):
            (HERE / f"{path.stem}.svg").write_text(svg(figure(path)), encoding="utf-8")
            print(path.stem)


def figure(path: Path) -> Figure:
    """Return what shows best what a scenario is about."""
    runs: dict[str, Recording] = {"as it is": lab.run(path)}
    if path.stem == "breaker_flapping":
        return charts.breakers(runs["as it is"])
    runs |= {name: lab.run(path, variant=name) for name in load_scenario(path).variants}
    return charts.comparison(runs, title=path.stem.replace("_", " "))


def svg(drawn: Figure) -> str:
    """Return a figure as SVG, drawn by a browser."""
    height = int(drawn.layout.height)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        script = IN_A_PAGE.format(width=WIDTH, height=height)
        page.write_text(drawn.to_html(post_script=script, div_id="figure"), encoding="utf-8")
        done = subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={folder}/profile",
                "--virtual-time-budget=20000",
                "--dump-dom",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    text = re.search(r"<body>(.*)</body>", done.stdout, re.DOTALL)
    drawing = html.unescape(text[1]).strip() if text else ""
    if not drawing.startswith("<svg"):
        message = f"no drawing came back: {done.stderr[-500:]}"
        raise RuntimeError(message)
    return drawing.replace("\u00a0", " ") + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
