"""A scenario file as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from foundation_lab.scenario.agent_specs import AgentsSpec
from foundation_lab.scenario.alert_specs import AnyRule, refuse_same_names
from foundation_lab.scenario.faults import AnyFault
from foundation_lab.scenario.problems import refuse
from foundation_lab.scenario.references import references
from foundation_lab.scenario.section import Name, NotNegative, Positive, Section
from foundation_lab.scenario.services import ServiceSpec
from foundation_lab.scenario.services.retry_budget import BudgetSpec
from foundation_lab.scenario.workloads import WorkloadSpec


class ObjectiveSpec(Section):
    """A demand on the requests of one client; `run` ends with code 1 when it is missed."""

    client: Name
    """The workload."""
    metric: Literal["success", "throughput", "mean", "p50", "p95", "p99", "max"]
    """Share of ok requests, finished requests a second, or latency in seconds."""
    at_least: NotNegative | None = None
    """The lower limit."""
    at_most: NotNegative | None = None
    """The upper limit."""

    @model_validator(mode="after")
    def _has_limit(self) -> ObjectiveSpec:
        if self.at_least is None and self.at_most is None:
            message = "an objective needs at_least or at_most"
            raise ValueError(message)
        return self


class Scenario(Section):
    """A question, as services, workloads and faults that can be run."""

    name: Name
    """What the scenario is called, in recordings and reports."""
    description: Annotated[str, Field(min_length=1)]
    """The question, and what to look at."""
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    """The seed of every random stream."""
    horizon: Positive
    """How long to run, in virtual seconds."""
    start: str | None = None
    """The wall-clock instant that virtual 0 stands for, as ISO 8601: 2026-01-31T12:00:00Z."""
    keep: Literal["events", "aggregates"] = "events"
    """What is kept of a run: all its events, or only what is counted of them, in bounded memory."""
    services: dict[Name, ServiceSpec] = Field(default_factory=dict)
    """The services by name."""
    budgets: dict[Name, BudgetSpec] = Field(default_factory=dict)
    """What retries and hedges may cost together: those that name the same budget share it."""
    nodes: dict[Name, list[Name]] = Field(default_factory=dict)
    """Which services are on which simulated machine; the others are on `lab`."""
    workloads: dict[Name, WorkloadSpec] = Field(default_factory=dict)
    """The workloads by the name of their client."""
    faults: list[AnyFault] = Field(default_factory=list)
    """What goes wrong, and when."""
    agents: AgentsSpec | None = None
    """Agents that coordinate."""
    alerts: list[AnyRule] = Field(default_factory=list)
    """Alert rules that are judged while the scenario runs."""
    objectives: list[ObjectiveSpec] = Field(default_factory=list)
    """What the run must come to."""
    variants: dict[Name, list[str]] = Field(default_factory=dict)
    """Other ways to run it, to compare with: the changes of each, as services.db.concurrency=8."""

    @field_validator("start")
    @classmethod
    def _is_instant(cls, start: str | None) -> str | None:
        if start is not None:
            try:
                datetime.fromisoformat(start)
            except ValueError:
                message = f"{start!r} is no instant; write it as 2026-01-31T12:00:00Z"
                raise ValueError(message) from None
        return start

    @field_validator("alerts")
    @classmethod
    def _rules_differ(cls, alerts: list[AnyRule]) -> list[AnyRule]:
        refuse_same_names(alerts)
        return alerts

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        refuse(references(self))
        return self
