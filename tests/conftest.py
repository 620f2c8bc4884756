import shutil

import pytest
from hypothesis import settings

# The same examples on every machine, and no database of earlier failures: a test that fails, fails
# again. No deadline: examples are short, machines are slow at times.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("chromium"):
        return
    no_browser = pytest.mark.skip(reason="no chromium here: apt-get install -y chromium")
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(no_browser)
