"""The command line: what it prints where, its exit codes, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import pytest

from foundation_lab import __version__, lab
from foundation_lab.cli import app, main
from foundation_lab.recording.aggregates import Aggregates
from foundation_lab.recording.recording import Recording
from foundation_lab.telemetry import catalogue
from tests.scenario.shop import SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands
)
HEAVY = {"httpx", "jinja2", "numpy", "pandas", "plotly", "polars", "pyarrow", "scipy", "simpy"}


class Done(NamedTuple):
    """What a command came to."""

    returncode: object
    stdout: str
    stderr: str


def command_line(*arguments: object, folder: Path, **variables: str) -> Done:
    """Run the command line in a folder, as a user would."""
    argv = ["foundation-lab", *map(str, arguments)]
    with (
        chdir(folder),
        mock.patch.object(sys, "argv", argv),
        mock.patch.dict(os.environ, {"COLUMNS": "100", **variables}),
        redirect_stdout(io.StringIO()) as stdout,
        redirect_stderr(io.StringIO()) as stderr,
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Done(end.value.code or 0, stdout.getvalue(), stderr.getvalue())


def process(*arguments: object, folder: Path, prepared: str = "") -> Done:
    """Run the command line in a process of its own, in which something was prepared before."""
    program = f"{prepared}\nfrom foundation_lab.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def refused(done: Done) -> str:
    """Return the one message of a command that was refused."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error:") == 1
    return done.stderr.removeprefix("error: ")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("scenarios"))


@pytest.fixture(scope="module")
def recording(path: Path) -> Recording:
    return lab.run(path, until=25)


@pytest.fixture(scope="module")
def saved(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved recording; tests read it only."""
    return recording.save(tmp_path_factory.mktemp("runs") / "shop")


@pytest.fixture
def copy(recording: Recording, tmp_path: Path) -> Path:
    """A saved recording that a test may damage."""
    return recording.save(tmp_path / "copy")


# Help


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert process("--version", folder=tmp_path) == (0, f"{__version__}\n", "")


def test_help_names_every_command(tmp_path: Path) -> None:
    done = command_line("--help", folder=tmp_path)
    assert done.returncode == 0
    assert all(re.search(rf"\b{command}\b", done.stdout) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = command_line(command, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert re.search(rf"Examples?: +foundation-lab {command}\b", done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [("bogus",), ("run",), ("run", "x.yaml", "--bogus"), ("run", "x.yaml", "--until", "soon")],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_where_to_look(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = command_line(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--help",), ("events", "--json"), ("schema",)], ids=" ".join
)
def test_what_needs_nothing_heavy_imports_nothing_heavy(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    program = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    done = process(*arguments, folder=tmp_path, prepared=program)
    assert done.returncode == 0
    imported = set(done.stderr.split())
    allowed = {"simpy", "polars", "numpy", "scipy"} if arguments == ("schema",) else set()
    assert HEAVY & imported <= allowed


# run


def test_run_prints_tables_and_saves_a_recording_and_a_report(path: Path, tmp_path: Path) -> None:
    done = command_line("run", path, "--until", 10, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"shop-7-[0-9a-f]{8}", folder.name)
    assert f"recording  runs/{folder.name}\n" in done.stdout
    assert f"report     runs/{folder.name}/report.html\n" in done.stdout
    assert (folder / "report.html").stat().st_size > 10_000
    for word in ("Requests", "success", "p50", "p99", "web", "Services", "breaker", "pool", "met"):
        assert word in done.stdout
    assert Recording.load(folder).digest == lab.run(path, until=10).digest


def test_the_folder_of_a_run_is_named_after_all_that_the_scenario_says(
    path: Path, tmp_path: Path
) -> None:
    for options in ((), ("--seed", 8), ("--set", "services.db.concurrency=5")):
        done = command_line(
            "run", path, "--until", 1, "--no-report", "-q", *options, folder=tmp_path
        )
        assert done.returncode == 0
    names = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert [name.rsplit("-", 1)[0] for name in names] == ["shop-7", "shop-7", "shop-8"]


def test_a_second_run_is_refused_without_force(path: Path, tmp_path: Path) -> None:
    options = ("run", path, "--until", 1, "--no-report", "--out", "r")
    assert command_line(*options, folder=tmp_path).returncode == 0
    before = (tmp_path / "r" / "manifest.json").read_bytes()
    message = refused(command_line(*options, "--seed", 8, folder=tmp_path))
    assert message == "r exists already; give --out another folder, or --force to replace it\n"
    assert (tmp_path / "r" / "manifest.json").read_bytes() == before
    assert command_line(*options, "--seed", 8, "--force", folder=tmp_path).returncode == 0
    assert Recording.load(tmp_path / "r").facts.seed == 8


@pytest.mark.parametrize("out", [".", "..", "mine", "mine/"])
def test_force_never_replaces_what_is_no_recording(out: str, path: Path, tmp_path: Path) -> None:
    here = tmp_path / "home"
    (here / "mine").mkdir(parents=True)
    (here / "mine" / "letter.txt").write_text("dear")
    (here / "letter.txt").write_text("dear")
    done = command_line("run", path, "--until", 1, "--force", "--out", out, folder=here)
    assert "is no recording: --force will not replace it" in refused(done)
    kept = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*"))
    assert kept == ["home", "home/letter.txt", "home/mine", "home/mine/letter.txt"]


def test_a_folder_is_made_with_all_that_are_above_it(path: Path, tmp_path: Path) -> None:
    done = command_line("run", path, "--until", 1, "--no-report", "--out", "a/b/c", folder=tmp_path)
    assert done.returncode == 0
    assert Recording.load(tmp_path / "a" / "b" / "c").facts.until == 1


def test_a_file_in_the_way_is_refused_before_the_run(path: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    long = ("run", path, "--until", 1e9)  # would take for ever
    message = refused(command_line(*long, "--out", "letter/run", folder=tmp_path))
    assert "letter is a file, so letter/run cannot be made" in message
    message = refused(command_line(*long, "--out", "letter", "--force", folder=tmp_path))
    assert message.startswith("letter is no recording")
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_read_only_folder_is_refused_before_the_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda folder, mode: mode != os.W_OK)  # root may do anything
    done = command_line("run", path, "--until", 1e9, "--out", "shut/run", folder=tmp_path)
    assert f"{tmp_path} cannot be written to; give --out another place" in refused(done)


def test_a_folder_that_cannot_be_written_after_all_is_one_message(
    path: Path, tmp_path: Path
) -> None:
    name = "x" * 300
    done = command_line("run", path, "--until", 1, "--no-report", "--out", name, folder=tmp_path)
    assert "File name too long" in refused(done)
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_nothing(path: Path, tmp_path: Path) -> None:
    done = command_line("run", path, "--until", 1, "--quiet", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_json_is_one_document_and_nothing_else(path: Path, tmp_path: Path) -> None:
    done = command_line("run", path, "--until", 5, "--json", "--out", "r", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["run"]["name"] == "shop"
    assert summary["requests"]["started"] > 100
    assert summary["objectives"][0]["met"] is True
    assert (summary["recording"], summary["report"]) == ("r", "r/report.html")


def test_no_colour_reaches_a_pipe(path: Path, tmp_path: Path) -> None:
    for variables in ({}, {"NO_COLOR": "1"}):
        done = command_line(
            "run", path, "--until", 1, "--no-report", "--force", folder=tmp_path, **variables
        )
        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", ["80", "120"])
def test_tables_fit_the_width_of_the_terminal(columns: str, path: Path, tmp_path: Path) -> None:
    done = command_line(
        "run", path, "--until", 60, "--no-report", "--out", "r", folder=tmp_path, COLUMNS=columns
    )
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "…" not in done.stdout
    client = re.compile(r"web +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +\d+ +[\d.]+ %")
    assert any(client.search(line) for line in lines)


def test_a_missed_objective_ends_with_1_and_the_recording_is_kept(
    path: Path, tmp_path: Path
) -> None:
    done = command_line(
        "run", path, "--until", 2, "--out", "r", "--no-report",
        "--set", "objectives[0].at_least=1.5", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "missed" in done.stdout
    assert Recording.load(tmp_path / "r").facts.status == "complete"


def test_a_model_that_fails_ends_with_3_and_the_recording_is_kept(
    path: Path, tmp_path: Path
) -> None:
    program = (
        "from foundation_lab.services import Backend\n"
        "def broken(self):\n    yield self.sim.timeout(0.5)\n    return 1 / 0\n"
        "Backend.request = broken\n"
    )
    done = process("run", path, "--out", "r", "--json", folder=tmp_path, prepared=program)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert re.match(r"error: the simulation failed at t=0\.\d+ s: ZeroDivisionError", done.stderr)
    assert json.loads(done.stdout)["run"]["status"] == "failed"
    assert Recording.load(tmp_path / "r").facts.error == "ZeroDivisionError: division by zero"
    assert (tmp_path / "r" / "report.html").is_file()


def test_ctrl_c_ends_with_130_and_the_recording_is_kept(path: Path, tmp_path: Path) -> None:
    # the signal comes at a virtual time, from within: no race with a real clock
    program = (
        "import os, signal\n"
        "from foundation_lab.services import Backend\n"
        "request = Backend.request\n"
        "def interrupted(self):\n"
        "    if self.sim.now > 5 and not self.sim.stopped:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return request(self)\n"
        "Backend.request = interrupted\n"
    )
    done = process("run", path, "--until", 1e7, "--out", "r", folder=tmp_path, prepared=program)
    assert done.returncode == 130
    assert done.stderr == "interrupted: the recording holds what happened up to there\n"
    recorded = Recording.load(tmp_path / "r")
    assert recorded.facts.status == "interrupted"
    assert 5 < recorded.facts.until < 6
    assert (tmp_path / "r" / "report.html").is_file()
    again = command_line("reproduce", "r", folder=tmp_path)
    assert (again.returncode, again.stdout.split(":")[0]) == (0, "identical")


# run --keep aggregates


def test_a_run_that_keeps_aggregates_prints_tables_and_saves_a_file(
    path: Path, tmp_path: Path
) -> None:
    done = command_line("run", path, "--until", 10, "--keep", "aggregates", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"shop-7-[0-9a-f]{8}\.json", file.name)
    assert f"aggregates  runs/{file.name}\n" in done.stdout
    for word in ("Requests", "success", "p99", "web", "Services", "Durations", "met", "served"):
        assert word in done.stdout
    assert "Run it with --keep events" in " ".join(done.stdout.split())
    assert Aggregates.load(file).digest == lab.aggregate(path, until=10).digest


def test_a_scenario_says_itself_that_it_keeps_aggregates(tmp_path: Path) -> None:
    path = shop(tmp_path / "s", ("horizon: 60", "horizon: 3\nkeep: aggregates"))
    assert command_line("run", path, "-q", "--out", "a.json", folder=tmp_path).returncode == 0
    assert len(Aggregates.load(tmp_path / "a.json")) > 0
    options = ("run", path, "-q", "--no-report", "--out", "r", "--keep", "events")
    assert command_line(*options, folder=tmp_path).returncode == 0
    assert len(Recording.load(tmp_path / "r")) == len(Aggregates.load(tmp_path / "a.json"))


def test_aggregates_as_json_are_one_document(path: Path, tmp_path: Path) -> None:
    options = ("run", path, "--until", 5, "--keep", "aggregates", "--json", "--out", "a.json")
    done = command_line(*options, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["requests"]["started"] > 100
    assert (summary["aggregates"], summary["objectives"][0]["met"]) == ("a.json", True)


@pytest.mark.parametrize("option", ["--report", "--row-limit=5"])
def test_what_needs_events_is_refused_before_the_run(
    option: str, path: Path, tmp_path: Path
) -> None:
    long = ("run", path, "--until", 1e9, "--keep", "aggregates", option)  # would take for ever
    message = refused(command_line(*long, folder=tmp_path))
    assert option.partition("=")[0] in message
    assert "this run keeps aggregates only; leave it out, or let the run keep events" in message


@pytest.mark.parametrize(
    "command",
    [("report",), ("export", "--format", "csv"), ("reproduce",), ("replay",), ("alerts",)],
    ids=" ".join,
)
def test_a_file_of_aggregates_is_no_recording_and_says_what_to_do(
    command: tuple[str, ...], path: Path, tmp_path: Path
) -> None:
    lab.aggregate(path, until=1).save(tmp_path / "a.json")
    message = refused(command_line(command[0], "a.json", *command[1:], folder=tmp_path))
    assert message.startswith("a.json holds the aggregates of a run, and this needs its events")
    assert "run the scenario with --keep events" in message


def test_a_file_of_aggregates_is_replaced_by_force_only(path: Path, tmp_path: Path) -> None:
    options = ("run", path, "--until", 1, "-q", "--keep", "aggregates", "--out")
    assert command_line(*options, "a.json", folder=tmp_path).returncode == 0
    message = refused(command_line(*options, "a.json", "--seed", 8, folder=tmp_path))
    assert message.startswith("a.json exists already; give --out another file, or --force")
    forced = command_line(*options, "a.json", "--seed", 8, "--force", folder=tmp_path)
    assert forced.returncode == 0
    assert Aggregates.load(tmp_path / "a.json").facts.seed == 8


def test_force_replaces_neither_letters_nor_folders_by_aggregates(
    path: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter").write_text("dear")
    (tmp_path / "mine").mkdir()
    long = ("run", path, "--until", 1e9, "--keep", "aggregates", "--force", "--out")
    assert "letter holds no aggregates" in refused(command_line(*long, "letter", folder=tmp_path))
    message = refused(command_line(*long, "mine", folder=tmp_path))
    assert message.startswith("mine is a folder; give --out a file for the aggregates: mine.json")
    message = refused(command_line(*long, "letter/run", folder=tmp_path))
    assert "letter is a file, so letter/run cannot be made" in message
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_missed_objective_of_a_counted_run_ends_with_1(path: Path, tmp_path: Path) -> None:
    done = command_line(
        "run", path, "--until", 2, "--out", "a.json", "--keep", "aggregates",
        "--set", "objectives[0].at_least=1.5", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "missed" in done.stdout


def test_a_counted_run_that_fails_or_is_interrupted_saves_what_happened(
    path: Path, tmp_path: Path
) -> None:
    program = (
        "import os, signal\n"
        "from foundation_lab.services import Backend\n"
        "request = Backend.request\n"
        "def interrupted(self):\n"
        "    if self.sim.now > 5 and not self.sim.stopped:\n"
        "        {}\n"
        "    return request(self)\n"
        "Backend.request = interrupted\n"
    )
    options = ("run", path, "--until", 1e7, "--keep", "aggregates", "-q", "--out")
    broken = process(*options, "b.json", folder=tmp_path, prepared=program.format("1 / 0"))
    assert broken.returncode == 3
    assert Aggregates.load(tmp_path / "b.json").facts.status == "failed"
    ctrl_c = program.format("os.kill(os.getpid(), signal.SIGINT)")
    done = process(*options, "i.json", folder=tmp_path, prepared=ctrl_c)
    assert done.returncode == 130
    assert done.stderr == "interrupted: the aggregates hold what happened up to there\n"
    assert Aggregates.load(tmp_path / "i.json").facts.status == "interrupted"


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    variants = (
        "variants:\n  more: [services.db.concurrency=9]\n  less: [services.db.concurrency=1]\n"
    )
    return shop(tmp_path / "varied", ("objectives:\n", variants + "objectives:\n"))


def test_compare_tells_of_every_variant_beside_the_scenario_as_it_is(
    varied: Path, tmp_path: Path
) -> None:
    done = command_line("compare", varied, "--until", 5, "--json", folder=tmp_path)
    assert done.returncode == 0
    runs = json.loads(done.stdout)["runs"]
    assert list(runs) == ["as it is", "more", "less"]
    assert runs["less"][0]["latency"]["p50"] > runs["more"][0]["latency"]["p50"]
    table = command_line("compare", varied, "--until", 5, "--variant", "more", folder=tmp_path)
    assert "as it is" in table.stdout
    assert "more" in table.stdout
    assert "less" not in table.stdout


def test_compare_needs_events_for_its_figure_only(varied: Path, tmp_path: Path) -> None:
    command = ("compare", varied, "--until", 5, "--set", "keep=aggregates")
    counted = command_line(*command, "--json", folder=tmp_path)
    assert counted.returncode == 0, counted.stderr
    kept = command_line("compare", varied, "--until", 5, "--json", folder=tmp_path)
    numbers = [
        {name: [client["ok"] for client in run] for name, run in json.loads(text)["runs"].items()}
        for text in (counted.stdout, kept.stdout)
    ]
    assert numbers[0] == numbers[1]
    message = refused(command_line(*command, "--out", "figure.html", folder=tmp_path))
    assert "'as it is' keeps aggregates only; leave --out out, or give --set keep=events" in message
    assert not (tmp_path / "figure.html").exists()


def test_compare_writes_a_figure_and_replaces_none_without_force(
    varied: Path, tmp_path: Path
) -> None:
    command = ("compare", varied, "--until", 5, "--out", "figure.html")
    done = command_line(*command, folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("figure  figure.html")
    assert "ended well, a second" in (tmp_path / "figure.html").read_text(encoding="utf-8")
    assert command_line(*command, folder=tmp_path).returncode == 2
    assert command_line(*command, "--force", folder=tmp_path).returncode == 0
    wrong = command_line(*command, "--force", "--client", "wep", folder=tmp_path)
    assert wrong.returncode == 2
    assert "unknown workload 'wep'" in wrong.stderr
    assert command_line(*command, "--force", "--client", "web", folder=tmp_path).returncode == 0


def test_compare_refuses_a_figure_that_cannot_be_written_before_it_runs(
    varied: Path, tmp_path: Path
) -> None:
    long = ("compare", varied, "--until", 1e9, "--force", "--out")
    (tmp_path / "pages").mkdir()
    message = refused(command_line(*long, "pages", folder=tmp_path))
    assert message == "pages is a folder; give --out a file: pages.html\n"
    (tmp_path / "letter").write_text("dear")
    message = refused(command_line(*long, "letter/page.html", folder=tmp_path))
    assert "letter is a file, so letter/page.html cannot be made; give --out another" in message


def test_the_help_begins_with_what_one_does_first(tmp_path: Path) -> None:
    shown = command_line("--help", folder=tmp_path).stdout
    places = [shown.index(f"│ {name} ") for name in ("run", "compare", "list", "report", "replay")]
    assert places == sorted(places)


def test_run_takes_a_variant(varied: Path, tmp_path: Path) -> None:
    wrong = command_line("run", varied, "--variant", "mor", folder=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean 'more'?" in wrong.stderr
    done = command_line("run", varied, "--variant", "more", "--until", 5, "-q", folder=tmp_path)
    assert done.returncode == 0
    (folder,) = (tmp_path / "runs").iterdir()
    scenario = Recording.load(folder).facts.scenario
    assert scenario is not None
    assert scenario["services"]["db"]["concurrency"] == 9


def test_a_bare_name_is_looked_up_among_the_scenarios(tmp_path: Path) -> None:
    shop(tmp_path / "scenarios")
    done = command_line("run", "shop", "--until", 1, "-q", "--no-report", folder=tmp_path)
    assert done.returncode == 0
    message = refused(command_line("run", "shup", "--until", 1, folder=tmp_path))
    assert message.startswith("shup: there is no such file")


# Files that cannot be used


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: 7", "seed: [7", "shop.yaml:"),
        ("concurrency: 4", "concurency: 4", "did you mean 'concurrency'?"),
        ("rate: 40", "rate: -40", "expected a number greater than 0, not -40"),
        ("again, pool, db]", "again, pol, db]", "there is no service 'pol'; did you mean 'pool'?"),
    ],
    ids=["not YAML", "unknown key", "negative rate", "unknown service"],
)
def test_a_wrong_scenario_is_one_message_with_its_place_and_writes_nothing(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    shop(tmp_path, (old, new))
    message = refused(command_line("run", "shop.yaml", folder=tmp_path))
    assert re.match(r"shop\.yaml:\d+:\d+: ", message)
    assert says in message
    assert [each.name for each in tmp_path.iterdir()] == ["shop.yaml"]


def test_a_wrong_override_is_one_message(path: Path, tmp_path: Path) -> None:
    done = command_line("run", path, "--set", "services.db.concurency=3", folder=tmp_path)
    message = refused(done)
    assert message.startswith("--set services.db.concurency=3: services.db.concurency: unknown key")
    assert "did you mean 'concurrency'?" in message


@pytest.mark.parametrize("command", ["report", "reproduce", "replay", "alerts", "export"])
def test_what_is_no_recording_is_refused_by_every_command(command: str, tmp_path: Path) -> None:
    options = ("--format", "csv") if command == "export" else ()
    message = refused(command_line(command, "nothing", *options, folder=tmp_path))
    assert message == "nothing: no such recording; give the folder that a run wrote\n"
    message = refused(command_line(command, ".", *options, folder=tmp_path))
    assert "no manifest.json; this is not a recording" in message
    assert list(tmp_path.iterdir()) == []


def newer(folder: Path) -> None:
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["format_version"] = 99
    manifest.write_text(json.dumps(content))


def shorter(folder: Path) -> None:
    spine = folder / "spine.parquet"
    spine.write_bytes(spine.read_bytes()[:1000])


def gone(folder: Path) -> None:
    (folder / "events" / "foundation.request.started.parquet").unlink()


def torn(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:500])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (newer, "format_version is 99"),
        (shorter, "spine.parquet: not a readable Parquet file"),
        (gone, "missing; the recording was cut short"),
        (torn, "not a readable manifest"),
    ],
    ids=["newer", "cut short", "a file gone", "a torn manifest"],
)
def test_a_damaged_recording_is_one_message(
    damage: Callable[[Path], None], says: str, copy: Path, tmp_path: Path
) -> None:
    damage(copy)
    before = sorted(copy.rglob("*"))
    for command in ("report", "reproduce", "replay"):
        assert says in refused(command_line(command, "copy", folder=tmp_path))
    assert sorted(copy.rglob("*")) == before


# The other commands


def test_events_lists_every_event_with_its_fields(tmp_path: Path) -> None:
    done = process("events", "--json", folder=tmp_path)  # where no test has added any
    listed = json.loads(done.stdout)
    assert [event["name"] for event in listed] == [
        cls.event_name
        for cls in catalogue.classes()
        if cls.__module__.startswith("foundation_lab.telemetry.events.")
    ]
    assert all(event["description"] and event["fields"] for event in listed)
    (backoff,) = (event for event in listed if event["name"] == "foundation.retry.backoff")
    fields = {field["name"]: (field["kind"], field["unit"]) for field in backoff["fields"]}
    assert fields["delay"] == ("measurement", "s")
    assert fields["service_id"] == ("metadata", None)


def test_events_takes_patterns_and_says_when_none_matches(tmp_path: Path) -> None:
    done = command_line("events", "retry", folder=tmp_path)
    names = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert names == [name for name in catalogue if name.startswith("foundation.retry.")]
    assert "attempt (1), duration (s)" in done.stdout
    message = refused(command_line("events", "circut_breaker", folder=tmp_path))
    assert "did you mean 'foundation.circuit_breaker." in message
    message = refused(command_line("events", "zzz", folder=tmp_path))
    assert message == "no event matches 'zzz'; foundation-lab events lists them all\n"
    assert "empty segment" in refused(command_line("events", "a..b", folder=tmp_path))


def test_report_writes_a_page_and_prints_its_path(saved: Path, tmp_path: Path) -> None:
    done = command_line("report", saved, "--out", "page.html", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "page.html\n")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "shop" in page
    assert page.rstrip().endswith("</html>")


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_export_writes_a_folder_and_prints_its_path(form: str, saved: Path, tmp_path: Path) -> None:
    done = command_line("export", saved, "--format", form, "--out", "exported", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "exported\n")
    assert any((tmp_path / "exported").iterdir())
    again = command_line("export", saved, "--format", form, "--out", "exported", folder=tmp_path)
    assert "exported" in refused(again)


def test_an_unknown_format_is_refused(saved: Path, tmp_path: Path) -> None:
    done = command_line("export", saved, "--format", "pdf", folder=tmp_path)
    assert done.returncode == 2
    assert "'parquet', 'csv', 'xlsx', 'json'" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_validate_tells_of_every_file(path: Path, tmp_path: Path) -> None:
    shop(tmp_path, ("seed: 7", "sed: 7"))
    done = command_line("validate", path, "shop.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == f"{path}: valid (shop, seed 7)\n"
    assert len(re.findall(r"^shop\.yaml:\d+:\d+: ", done.stderr, re.MULTILINE)) == 2
    done = command_line("validate", path, "shop.yaml", "--json", folder=tmp_path)
    good, bad = json.loads(done.stdout)
    assert (good["valid"], bad["valid"], len(bad["problems"])) == (True, False, 2)
    assert command_line("validate", path, folder=tmp_path).returncode == 0


def test_a_fault_that_comes_after_the_end_is_valid_and_noted(tmp_path: Path) -> None:
    shop(tmp_path, ("start: 40", "when: {kind: periodic, every: 60}"), ("at: 50", "at: 59.9"))
    note = (
        "note: faults.2: the error_rate never happens: it would begin at 60 s, and horizon=60 ends "
        "the run\n"
    )
    done = command_line("validate", "shop.yaml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"shop.yaml: {note}")
    run = ("run", "shop.yaml", "--no-report", "--force", "--out", "r")
    assert command_line(*run, folder=tmp_path).stderr.startswith(note)
    for option in (("--until", 1), ("-q",)):
        assert "note" not in command_line(*run, *option, folder=tmp_path).stderr


def test_validate_reads_every_variant(tmp_path: Path) -> None:
    variants = "variants: {calm: [seed=8], wild: [sed=9]}\n"
    shop(tmp_path)
    with (tmp_path / "shop.yaml").open("a", encoding="utf-8") as file:
        file.write(variants)
    done = command_line("validate", "shop.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert re.match(r"shop\.yaml:\d+:\d+: .*sed.*did you mean 'seed'\?", done.stderr)


def test_schema_is_one_json_document(tmp_path: Path) -> None:
    done = command_line("schema", folder=tmp_path)
    assert json.loads(done.stdout)["title"] == "Scenario"
    kept = (ROOT / "scenarios" / "scenario.schema.json").read_text(encoding="utf-8")
    assert done.stdout == kept


def test_list_names_each_scenario_with_its_question(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    done = command_line("list", ".", folder=tmp_path)
    assert done.returncode == 0
    assert "shop.yaml\n    A shop with everything.\n" in done.stdout
    assert "bad.yaml\n    cannot be used: bad.yaml" in done.stdout
    listed = json.loads(command_line("list", ".", "--json", folder=tmp_path).stdout)
    assert [Path(entry["file"]).name for entry in listed] == ["bad.yaml", "shop.yaml"]
    message = refused(command_line("list", "nowhere", folder=tmp_path))
    assert message == "nowhere: no such folder\n"


def test_reproduce_says_whether_the_same_happened_again(copy: Path, tmp_path: Path) -> None:
    done = command_line("reproduce", "copy", folder=tmp_path)
    digest = Recording.load(copy).digest
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"identical: [\d,]+ events, digest {digest}\n", done.stdout)
    manifest = copy / "manifest.json"
    content = json.loads(manifest.read_text())
    content["facts"]["scenario"]["seed"] = 8
    manifest.write_text(json.dumps(content))
    done = command_line("reproduce", "copy", folder=tmp_path)
    assert done.returncode == 1
    assert re.match(r"different: event \d+ \(.*\) at t=", done.stdout)
    done = command_line("reproduce", "copy", "--json", folder=tmp_path)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["identical"] is False
    assert told["recorded"] == digest != told["reproduced"]
    assert told["difference"].startswith("event ")


def test_replay_prints_events_in_order(saved: Path, recording: Recording, tmp_path: Path) -> None:
    done = command_line("replay", saved, "retry", "--json", folder=tmp_path)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == sum(
        count for name, count in recording.counts.items() if name.startswith("foundation.retry.")
    )
    assert [line["sequence"] for line in lines] == sorted(line["sequence"] for line in lines)
    assert {"sequence", "time", "event", "service_id"} <= lines[0].keys()
    done = command_line("replay", saved, "--limit", 2, folder=tmp_path)
    assert len(done.stdout.splitlines()) == 2
    assert "no event matches 'zzz'" in refused(
        command_line("replay", saved, "zzz", folder=tmp_path)
    )
    quiet = command_line("replay", saved, "signal", folder=tmp_path)
    assert (quiet.returncode, quiet.stdout) == (0, "")


def test_alerts_holds_rules_against_a_recording(saved: Path, tmp_path: Path) -> None:
    done = command_line("alerts", saved, folder=tmp_path)
    assert done.returncode == 0
    assert "opened" in done.stdout
    told = json.loads(command_line("alerts", saved, "--json", folder=tmp_path).stdout)
    assert {episode["rule"] for episode in told["episodes"]} <= {"errors", "opened"}
    (tmp_path / "rules.yaml").write_text(
        "rules:" + SHOP[SHOP.index("alerts:") + 7 :].split("\n\n")[0]
    )
    mine = command_line("alerts", saved, "rules.yaml", "--json", folder=tmp_path)
    assert json.loads(mine.stdout) == told
    (tmp_path / "rules.yaml").write_text("rules: []\n")
    message = refused(command_line("alerts", saved, "rules.yaml", folder=tmp_path))
    assert re.match(r"rules\.yaml:1:8: rules: ", message)


def test_a_recording_without_rules_needs_a_file_of_rules(path: Path, tmp_path: Path) -> None:
    lab.run(path, until=1, overrides=["alerts=[]"]).save(tmp_path / "r")
    message = refused(command_line("alerts", "r", folder=tmp_path))
    assert message == "r: the recorded scenario has no alert rules; give a file of rules\n"


@pytest.mark.parametrize(
    "arguments", [("replay",), ("events",), ("events", "--json"), ("schema",)], ids=" ".join
)
def test_a_reader_that_has_read_enough_is_no_error(
    arguments: tuple[str, ...], saved: Path, tmp_path: Path
) -> None:
    command, *options = arguments
    where = [str(saved)] if command == "replay" else []
    running = subprocess.Popen(
        [sys.executable, "-m", "foundation_lab.cli", command, *where, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.close()
    _, said = running.communicate()
    assert (running.returncode, said) == (0, "")
