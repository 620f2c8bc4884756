"""Workloads in a scenario file: what each kind may say, and how it is built."""

from typing import Annotated, Any, get_args

from pydantic import Discriminator, Field, Tag

from foundation_lab.scenario.workloads.closed_loop import ClosedLoopSpec
from foundation_lab.scenario.workloads.open import OpenSpec
from foundation_lab.scenario.workloads.paced import PacedSpec
from foundation_lab.scenario.workloads.sessions import UserSessionsSpec
from foundation_lab.scenario.workloads.trace_replay import TraceReplaySpec

DEFAULT_KIND = "open"
"""What a workload is that does not say its kind."""


def kind_of(workload: Any) -> str:
    """Return the kind of a workload, or of what is to be one."""
    given = workload.get("kind", DEFAULT_KIND) if isinstance(workload, dict) else DEFAULT_KIND
    kind = getattr(workload, "kind", given)
    return kind if isinstance(kind, str) else ""


def _tell_apart(schema: dict[str, Any]) -> None:
    """Say in a JSON Schema how the kinds are told apart, as pydantic does where each has a tag."""
    mapping = dict(zip(KINDS, (member["$ref"] for member in schema["oneOf"]), strict=True))
    schema["discriminator"] = {"mapping": mapping, "propertyName": "kind"}


WorkloadSpec = Annotated[
    Annotated[OpenSpec, Tag("open")]
    | Annotated[ClosedLoopSpec, Tag("closed_loop")]
    | Annotated[PacedSpec, Tag("paced")]
    | Annotated[UserSessionsSpec, Tag("sessions")]
    | Annotated[TraceReplaySpec, Tag("trace_replay")],
    Discriminator(kind_of),
    Field(json_schema_extra=_tell_apart),
]

KINDS = [get_args(each)[1].tag for each in get_args(get_args(WorkloadSpec)[0])]
"""Every `kind`."""
