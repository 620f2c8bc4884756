import pytest

from foundation_lab.telemetry import Event, catalogue, describe, fields_of

SEED_TAXONOMY = {
    "circuit_breaker.call_start": "service_id timeout",
    "circuit_breaker.call_success": "service_id duration",
    "circuit_breaker.call_failure": "service_id error",
    "circuit_breaker.state_change": "service_id from to",
    "circuit_breaker.health_check": "service_id healthy",
    "retry.attempt_start": "attempt total_attempts",
    "retry.attempt_success": "attempt duration",
    "retry.attempt_failure": "attempt error",
    "retry.backoff": "delay strategy",
    "retry.exhausted": "total_attempts final_error",
    "connection.pool_created": "pool_id size",
    "connection.connection_acquired": "pool_id duration",
    "connection.connection_released": "pool_id",
    "connection.connection_failed": "pool_id error",
    "connection.pool_health": "pool_id active idle",
    "service.health_check": "service status metrics",
    "service.started": "service pid",
    "service.stopped": "service reason",
    "service.restarted": "service restart_count",
    "mabeam.agent.registered": "agent_id capabilities",
    "mabeam.agent.unregistered": "agent_id reason",
    "mabeam.agent.health_check": "agent_id healthy metrics",
    "mabeam.coordination.started": "session_id agents",
    "mabeam.coordination.message_sent": "from to type",
    "mabeam.coordination.message_received": "from to duration",
    "mabeam.coordination.completed": "session_id result duration",
    "mabeam.coordination.failed": "session_id error",
    "async.started": "",
    "async.completed": "",
    "async.failed": "",
    "resource.acquired": "",
    "resource.released": "",
    "resource.exhausted": "",
    "signal.processed": "",
}

TYPES = {float, int, bool, str, tuple[str, ...]}
OWN = [cls for cls in catalogue.classes() if cls.__module__.startswith("foundation_lab.")]


@pytest.mark.parametrize(("name", "fields"), SEED_TAXONOMY.items())
def test_every_event_of_the_plan_exists_with_its_fields(name: str, fields: str) -> None:
    cls = catalogue[f"foundation.{name}"]
    assert set(fields.split()) <= {field.name for field in fields_of(cls)}


@pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.event_name)
def test_every_event_has_a_sentence_as_description_and_marked_fields(cls: type[Event]) -> None:
    assert describe(cls).endswith(".")
    assert fields_of(cls)
    for field in fields_of(cls):
        assert field.type in TYPES or field.type_name.startswith("dict"), field
        assert (field.kind == "measurement") == (field.unit is not None)


@pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.event_name)
def test_every_duration_is_a_measurement_in_seconds(cls: type[Event]) -> None:
    units = {field.name: field.unit for field in fields_of(cls)}
    for name in ("duration", "delay", "timeout", "retry_after", "wait", "service_time", "period"):
        assert units.get(name, "s") == "s"


@pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.event_name)
def test_an_event_states_the_class_that_the_catalogue_knows_by_its_name(cls: type[Event]) -> None:
    assert catalogue[cls.event_name] is cls
    assert cls.event_name.startswith("foundation.")
