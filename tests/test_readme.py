import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^foundation-lab (\w+)", README, re.MULTILINE)


def test_the_scenario_in_the_readme_runs_and_is_reproduced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    names: dict[str, object] = {}
    exec(compile(PYTHON[0], "README.md", "exec"), names)
    assert len(getattr(names["recording"], "counts")) > 10  # noqa: B009  (an object to mypy)


def test_the_model_in_the_readme_runs_and_records() -> None:
    names: dict[str, object] = {}
    exec(compile(PYTHON[1], "README.md", "exec"), names)
    sim = names["sim"]
    assert getattr(sim, "now", None) == 60
    assert getattr(sim, "recorder").rows > 10_000  # noqa: B009  (`sim` is an object to mypy)


def test_the_test_in_the_readme_passes(tmp_path: Path) -> None:
    (tmp_path / "test_readme_example.py").write_text(PYTHON[2], encoding="utf-8")
    plugin = [] if is_installed() else ["-p", "foundation_lab.testing.plugin"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_in_the_readme_exists(command: str) -> None:
    from typer.main import get_command

    from foundation_lab.cli import app

    assert command in getattr(get_command(app), "commands", {})


def is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.name == "foundation_lab" for entry in entry_points(group="pytest11"))
