from __future__ import annotations

from typing import TYPE_CHECKING

from foundation_lab.testing.sleeps import audit
from tests.testing.sleeps.suites import findings, suite

if TYPE_CHECKING:
    from pathlib import Path


def test_the_calls_of_a_function_that_sleeps_are_findings() -> None:
    inside, plain, with_default = findings(
        """
        import time

        def settle(seconds=0.5, factor=2):
            time.sleep(seconds * factor)

        def test_it():
            settle(0.25, factor=4)
            for _ in range(3):
                settle()
        """
    )
    assert (inside.kind, inside.seconds, inside.total) == ("sleep", 1.0, 0.0)
    assert inside.evidence[-1] == "its seconds are counted at 2 calls of settle"
    assert (plain.kind, plain.via) == ("wrapper", "settle (test_it.py:4)")
    assert (plain.seconds, plain.total) == (1.0, 1.0)
    assert (with_default.times, with_default.total) == (3, 3.0)


def test_wrappers_are_followed_through_modules_aliases_and_each_other(tmp_path: Path) -> None:
    suite(
        tmp_path,
        tests____init__="",
        tests__timing="SHORT = 0.1\n",
        tests__helpers="""
        from time import sleep as nap
        from .timing import SHORT

        def pause(n=1):
            nap(SHORT * n)
        """,
        tests__more="""
        from tests.helpers import pause as wait_a_bit

        def longer():
            wait_a_bit(5)
        """,
        tests__test_it="""
        from tests import more
        from tests.more import longer as much_longer

        def test_it():
            much_longer()
            more.longer()
        """,
    )
    found = audit([tmp_path]).findings
    calls = [each for each in found if each.file.endswith("test_it.py")]
    assert [each.total for each in calls] == [0.5, 0.5]
    assert all(each.via and each.via.startswith("longer (") for each in calls)


def test_methods_are_found_through_the_class_and_its_bases() -> None:
    found = findings(
        """
        import time

        class Base:
            def pause(self, seconds):
                time.sleep(seconds)

        class TestIt(Base):
            def test_a(self):
                self.pause(2)

            def test_b(self):
                helper = Base()
                helper.pause(3)
        """
    )
    assert [each.total for each in found] == [0.0, 2.0, 3.0]


def test_the_tests_that_use_a_fixture_that_sleeps_are_findings(tmp_path: Path) -> None:
    suite(
        tmp_path,
        conftest="""
        import time, pytest

        @pytest.fixture
        def server():
            time.sleep(1)
            yield
            time.sleep(0.5)

        @pytest.fixture(scope="session")
        def once():
            time.sleep(7)

        @pytest.fixture
        def client(server): ...

        @pytest.fixture
        def pause():
            def wait(seconds):
                time.sleep(seconds)
            return wait
        """,
        test_it="""
        import pytest

        def test_direct(server, once): ...
        def test_indirect(client): ...

        @pytest.mark.usefixtures("server")
        def test_named(): ...

        def test_handed_out(pause):
            pause(0.25)
        """,
    )
    found = audit([tmp_path]).findings
    uses = {each.test: each for each in found if each.file.endswith("test_it.py")}
    assert {test: each.total for test, each in uses.items()} == {
        "test_direct": 1.5,
        "test_indirect": 1.5,
        "test_named": 1.5,
        "test_handed_out": 0.25,
    }
    assert uses["test_direct"].kind == "fixture"
    assert [each.total for each in found if each.test == "once"] == [7.0]


def test_a_product_that_may_sleep_somewhere_inside_is_no_wrapper(tmp_path: Path) -> None:
    suite(
        tmp_path,
        shop____init__="",
        shop__client="""
        import time

        def fetch():
            for attempt in range(3):
                try:
                    return get()
                except OSError:
                    time.sleep(1)

        def settle():
            time.sleep(1)
        """,
        tests__test_it="""
        from shop.client import fetch, settle

        def test_it():
            fetch()
            settle()
        """,
    )
    calls = [each.call for each in audit([tmp_path]).findings if each.kind == "wrapper"]
    assert calls == ["settle()"]


def test_functions_that_call_each_other_in_a_circle_come_to_an_end() -> None:
    found = findings(
        """
        import time

        def ping(n):
            time.sleep(1)
            pong(n)

        def pong(n):
            ping(n)

        def test_it():
            pong(3)
        """
    )
    assert [each.test for each in found] == ["ping", "ping", "pong", "test_it"]


def test_constants_and_names_are_followed_through_packages(tmp_path: Path) -> None:
    suite(
        tmp_path,
        tests____init__="from tests.timing import LONG as FOREVER, nap\n",
        tests__timing="""
        import time
        LONG = SHORT = 0.5
        ALL = [1, 2]
        nap = time.sleep
        """,
        tests__around="from tests.around import LONG\n",
        tests__test_it="""
        import time, math
        from tests import FOREVER, nap, timing
        from tests.timing import ALL
        from tests.around import LONG as ROUND

        def test_it():
            nap(FOREVER)
            timing.nap(timing.LONG * 2)
            for each in ALL + [3]:
                nap(each)
            nap(math.pi)
            nap(ROUND)
            nap(self.gone)
        """,
    )
    found = [each for each in audit([tmp_path]).findings if each.kind == "sleep"]
    assert [each.total for each in found] == [0.5, 1.0, 6.0, 3.141592654, None, None]


def test_static_methods_inner_classes_and_aliases_of_functions_are_found() -> None:
    found = findings(
        """
        import time

        class Outer:
            @staticmethod
            def pause(n, *rest, k=2):
                time.sleep(n * k)

            class Inner:
                def nothing(self): ...

        def wait(n): time.sleep(n)
        hold = wait
        Other = Outer

        def test_it(args):
            Outer.pause(1)
            hold(2)
            Other.pause(1, k=3)
            wait(*args)
            Outer.Inner.nothing()
            Outer.gone()
        """
    )
    calls = {each.call: each.total for each in found if each.kind == "wrapper"}
    assert calls == {
        "Outer.pause(1)": 2.0,
        "hold(2)": 2.0,
        "Other.pause(1, k=3)": 3.0,
        "wait(*args)": None,
    }


def test_an_inner_function_is_counted_where_it_is_a_step_of_its_own() -> None:
    found = findings(
        """
        import asyncio, time

        async def test_it():
            def pause():
                time.sleep(1)

            async def work():
                await asyncio.sleep(2)

            pause()
            pause()
            task = asyncio.create_task(work())
        """
    )
    assert [(each.kind, each.total) for each in found] == [
        ("sleep", 0.0),
        ("sleep", 2.0),
        ("wrapper", 1.0),
        ("wrapper", 1.0),
    ]


def test_a_base_class_of_another_module_brings_its_methods(tmp_path: Path) -> None:
    suite(
        tmp_path,
        tests____init__="",
        tests__base="""
        import time

        class Patient:
            pause = 2

            def settle(self):
                time.sleep(self.pause)
        """,
        tests__test_it="""
        from tests import base
        from tests.base import Patient

        class TestA(Patient):
            def test_it(self):
                self.settle()

        class TestB(base.Patient, Unknown):
            def test_it(self):
                self.settle()
                self.gone()
        """,
    )
    found = [each for each in audit([tmp_path]).findings if each.kind == "wrapper"]
    assert [(each.test, each.total) for each in found] == [
        ("TestA.test_it", 2.0),
        ("TestB.test_it", 2.0),
    ]
