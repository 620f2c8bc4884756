from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from foundation_lab.errors import UnknownName
from foundation_lab.simulation.engine import Simulation
from foundation_lab.telemetry import (
    Count,
    Event,
    Label,
    Labels,
    Measurement,
    Metadata,
    OptionalSeconds,
    catalogue,
    describe,
    events,
    fields_of,
    matcher,
    resolve,
)
from foundation_lab.telemetry.event import field_values, subject_of

SEED = 11


class OrderPlaced(Event, frozen=True):
    """A customer's order was taken.

    More about it.
    """

    event_name: ClassVar[str] = "testshop.order.placed"

    service_id: Label
    from_: Label = msgspec.field(name="from")
    amount: Annotated[float, Measurement("EUR")]
    items: Labels
    waited: OptionalSeconds = None


make_class: Any = type(Event)


def define(**annotations: Any) -> Any:
    body = {
        "__annotations__": {"event_name": ClassVar[str], **annotations},
        "__module__": __name__,
        "__qualname__": "Defined",
        "event_name": "testshop.defined",
    }
    return make_class("Defined", (Event,), body)


def test_fields_tell_public_name_type_and_unit() -> None:
    fields = {field.name: field for field in fields_of(OrderPlaced)}
    assert list(fields) == ["service_id", "from", "amount", "items", "waited"]
    assert fields["from"].attribute == "from_"
    assert (fields["amount"].unit, fields["amount"].kind) == ("EUR", "measurement")
    assert (fields["items"].type_name, fields["items"].kind) == ("tuple[str, ...]", "metadata")
    assert (fields["waited"].optional, fields["waited"].type_name) == (True, "float | None")


def test_the_description_is_the_first_line_of_the_docstring() -> None:
    assert describe(OrderPlaced) == "A customer's order was taken."


def test_field_values_go_by_public_names() -> None:
    event = OrderPlaced("shop", "home", 9.5, ("tea",))
    assert field_values(event) == {
        "service_id": "shop",
        "from": "home",
        "amount": 9.5,
        "items": ("tea",),
        "waited": None,
    }


def test_the_subject_is_the_field_that_names_the_emitter() -> None:
    assert subject_of(OrderPlaced) == "service_id"
    assert subject_of(define(amount=Count)) is None


def test_an_event_is_immutable() -> None:
    event = OrderPlaced("shop", "home", 9.5, ())
    with pytest.raises(AttributeError):
        event.amount = 1.0  # type: ignore[misc]


def test_defining_a_class_registers_it() -> None:
    assert catalogue["testshop.order.placed"] is OrderPlaced
    assert "testshop.order.placed" in catalogue
    assert OrderPlaced in catalogue.classes()
    assert list(catalogue) == sorted(catalogue)
    assert len(catalogue) == len(list(catalogue))


def test_defining_a_class_again_as_a_notebook_does_replaces_it() -> None:
    define(amount=Count)
    second = define(amount=Count, item=Label)
    assert catalogue["testshop.defined"] is second
    assert [field.name for field in fields_of(second)] == ["amount", "item"]


def test_another_class_cannot_take_a_name() -> None:
    with pytest.raises(ValueError, match=r"'testshop\.order\.placed' of .*Thief is taken by"):

        class Thief(Event, frozen=True):
            """Wants the name of another."""

            event_name: ClassVar[str] = "testshop.order.placed"


@pytest.mark.parametrize("name", ["", "order", "order.", ".order", "order placed.x", "order.-"])
def test_an_event_name_must_be_dotted_words(name: str) -> None:
    with pytest.raises(ValueError, match="needs a dotted name"):
        make_class("Odd", (Event,), {"event_name": name, "__module__": __name__})


def test_an_unmarked_field_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match="field 'amount' of Defined is not marked; annotate it"):
        fields_of(define(amount=float))


@pytest.mark.parametrize("name", ["sequence", "time", "event", "node", "process", "cause"])
def test_a_field_cannot_have_the_name_of_a_column_of_the_bus(name: str) -> None:
    with pytest.raises(ValueError, match=f"field '{name}', which the bus fills itself"):
        fields_of(define(**{name: Label}))


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (float, "is not marked"),
        (Annotated[list[int], Metadata()], "no column holds values of type"),
        (Annotated[tuple[int, ...], Metadata()], r"no column holds values of type tuple"),
    ],
)
def test_a_class_that_cannot_be_recorded_fails_when_it_is_first_emitted(
    annotation: object, message: str
) -> None:
    sim = Simulation(seed=SEED)
    with pytest.raises(TypeError, match=message):
        sim.telemetry.emit(define(amount=annotation)(1.0))
    assert sim.telemetry.emit(OrderPlaced("shop", "home", 9.5, ())) == 0
    assert sim.recording.events["sequence"].to_list() == [0]


@pytest.mark.parametrize(
    "spelling",
    [
        events.retry.Exhausted,
        "foundation.retry.exhausted",
        "retry.exhausted",
        ("foundation", "retry", "exhausted"),
        ("retry", "exhausted"),
    ],
)
def test_a_name_can_be_a_class_a_string_or_a_tuple_with_or_without_the_namespace(
    spelling: type[Event] | str | tuple[str, ...],
) -> None:
    assert resolve(spelling) == "foundation.retry.exhausted"
    assert matcher(spelling)("foundation.retry.exhausted")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'foundation\.retry\.exhausted'"):
        resolve("foundation.retry.exausted")
    with pytest.raises(UnknownName, match=r"foundation\.circuit_breaker\.state_change"):
        resolve("circuit_braker.state_change")
    with pytest.raises(UnknownName, match=r"unknown event 'testshop.order.place'"):
        _ = catalogue["testshop.order.place"]
    assert catalogue.get("testshop.order.place") is None


def test_a_name_of_ones_own_outside_of_the_namespace_is_accepted() -> None:
    assert resolve("bakery.oven.lit") == "bakery.oven.lit"


def test_what_names_no_event_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="give an event class, a dotted string or a tuple"):
        resolve(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="does not name an event"):
        matcher(int)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("foundation.retry", "foundation.retry.backoff", "foundation.request.started"),
        ("retry", "foundation.retry.backoff", "foundation.retryish.backoff"),
        ("retry.*", "foundation.retry.backoff", "foundation.retry"),
        ("*.*.exhausted", "foundation.retry.exhausted", "foundation.mabeam.x.exhausted"),
        ("**.state_change", "foundation.mabeam.agent.state_change", "foundation.retry.backoff"),
        ("**", "anything.at_all", ""),
        ("foundation.**.started", "foundation.service.started", "foundation.service.stopped"),
        ("mabeam.**", "foundation.mabeam.agent.registered", "foundation.retry.backoff"),
        ("retry.attempt_*", "foundation.retry.attempt_start", "foundation.retry.backoff"),
        ("bakery", "bakery.oven.lit", "bakeryoven.lit"),
        ("bakery.**", "bakery.oven.lit", "foundation.bakery.lit"),
    ],
)
def test_patterns_match_whole_segments(pattern: str, matching: str, other: str) -> None:
    test = matcher(pattern)
    assert test(matching)
    assert not other or not test(other)


def test_a_pattern_of_a_class_matches_that_event_only() -> None:
    test = matcher(events.service.Started)
    assert test("foundation.service.started")
    assert not test("foundation.service.started.twice")


def test_a_pattern_that_can_match_nothing_is_refused() -> None:
    with pytest.raises(UnknownName, match="retry"):
        matcher("foundation.rety.*")
    with pytest.raises(ValueError, match="empty segment"):
        matcher("foundation..retry")


@pytest.mark.parametrize(
    "name", ["shop.retry.exhausted", "app.circuit_breaker.state_change", "testshop.order.replaced"]
)
def test_a_name_of_ones_own_may_resemble_another(name: str) -> None:
    assert resolve(name) == name


@pytest.mark.parametrize("name", ["retri.exhausted", "circuit_braker.state_change", "retry.bakoff"])
def test_a_misspelt_name_is_refused_without_the_namespace_too(name: str) -> None:
    with pytest.raises(UnknownName, match="did you mean 'foundation"):
        resolve(name)
    with pytest.raises(UnknownName, match="did you mean 'foundation"):
        matcher(name)
