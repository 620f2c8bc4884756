"""Elsewhere: the same tests in a program of its own, where strings have other hashes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from foundation_lab.recording.recording import Recording
    from foundation_lab.testing.plugin.rounds import Round

PLUGIN = "foundation_lab.testing.plugin"


class Elsewhere:
    """What came of the lab's tests under another hash seed.

    They are run in one go, when the first of them is asked for.

    Args:
        config: That of the run of pytest here.
        nodeids: The tests.
    """

    def __init__(self, config: pytest.Config, nodeids: list[str]) -> None:
        self._config = config
        self._nodeids = nodeids
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.complaint = ""

    def result(self, nodeid: str) -> tuple[str, list[Recording]] | None:
        """Return the outcome of a test and its recordings; ``None`` when it was not run."""
        from foundation_lab.recording.recording import Recording  # noqa: PLC0415  (heavy)

        folder = self._run() / key(nodeid)
        if not (folder / "outcome.json").exists():
            return None
        kept = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
        return kept["outcome"], [
            Recording.load(folder / str(number)) for number in range(kept["recordings"])
        ]

    def _run(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="foundation-lab-")
            self._config.add_cleanup(self._folder.cleanup)
            done = subprocess.run(  # noqa: S603  (pytest, as it was called)
                list(self._command(self._folder.name)),
                cwd=self._config.invocation_params.dir,
                env={
                    **os.environ,
                    "PYTHONHASHSEED": other_hash_seed(),
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode not in {0, 1}:
                self.complaint = (done.stdout + done.stderr)[-2000:]
        return Path(self._folder.name)

    def _command(self, folder: str) -> Iterator[str]:
        config = self._config
        yield from (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        yield from ("--rootdir", str(config.rootpath), f"--lab-keep={folder}")
        if config.inipath is not None:
            yield from ("-c", str(config.inipath))
        if not any(name == "foundation_lab" for name, _ in config.pluginmanager.list_name_plugin()):
            yield from ("-p", PLUGIN)  # it is not installed, so pytest does not find it by itself
        for plugin in config.getoption("plugins") or ():
            if plugin not in {PLUGIN, "no:cacheprovider"}:
                yield from ("-p", plugin)
        for option in ("seed", "seeds", "replay", "start"):
            value = config.getoption(f"--lab-{option}")
            if value is not None:
                yield f"--lab-{option}={value}"
        for nodeid in self._nodeids:
            yield str(config.rootpath / nodeid)


def keep_round(folder: str, nodeid: str, done: Round, outcome: str) -> None:
    """Keep what came of a test, for the run of pytest that wants to know."""
    from foundation_lab.testing.plugin.comparison import recordings  # noqa: PLC0415

    place = Path(folder) / key(nodeid)
    kept = recordings(done)
    place.mkdir(parents=True, exist_ok=True)
    for number, recording in enumerate(kept):
        recording.save(place / str(number), force=True)
    text = json.dumps({"outcome": outcome, "recordings": len(kept)})
    (place / "outcome.json").write_text(text, encoding="utf-8")


def key(nodeid: str) -> str:
    """Return the name of a test's folder."""
    return hashlib.blake2b(nodeid.encode(), digest_size=8).hexdigest()


def other_hash_seed() -> str:
    """Return a hash seed that is not the one of this program."""
    return "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"


def elsewhere_of(session: Any, nodeid: str) -> Elsewhere:
    """Return the results elsewhere of the tests of a run, or, in a worker of xdist, of one."""
    if hasattr(session.config, "workerinput"):
        return Elsewhere(session.config, [nodeid])
    from foundation_lab.testing.plugin.plan import is_of_the_lab  # noqa: PLC0415

    found = getattr(session, "_foundation_lab_elsewhere", None)
    if found is None:
        nodeids = [item.nodeid for item in session.items if is_of_the_lab(item)]
        found = session._foundation_lab_elsewhere = Elsewhere(session.config, nodeids)
    return found
