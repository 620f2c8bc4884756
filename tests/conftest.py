import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same examples on every machine, and no database of earlier failures: a test that fails, fails
# again. No deadline: examples are short, machines are slow at times.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

# What changes the output of the programs that tests run: pytest does not shorten its summary in a
# CI, rich and argparse look for colours and for the width of the terminal.
OUTPUT_SWITCHES = (
    "BUILD_NUMBER",
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "LINES",
    "NO_COLOR",
    "PYTEST_ADDOPTS",
    "PYTEST_THEME",
    "PYTEST_THEME_MODE",
    "PY_COLORS",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)


@pytest.fixture(scope="session", autouse=True)
def same_output_everywhere() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as surroundings:
        for name in OUTPUT_SWITCHES:
            surroundings.delenv(name, raising=False)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("chromium"):
        return
    no_browser = pytest.mark.skip(reason="no chromium here: apt-get install -y chromium")
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(no_browser)
