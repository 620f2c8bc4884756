"""The tables of keys in docs/scenarios.md, as the models have them.

``python -m tests.scenario.key_tables`` writes them again: whatever stands between
``<!-- keys: backend -->`` and ``<!-- end -->`` becomes the table of that kind of service, or of the
part of a scenario file that is called so in `PARTS`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic_core import PydanticUndefined

from foundation_lab.scenario.duration_specs import Duration
from foundation_lab.scenario.services import KINDS
from foundation_lab.scenario.services.autoscaler import ScalingPolicySpec, ScalingRulesSpec
from foundation_lab.scenario.services.backend import WarmUpSpec
from foundation_lab.scenario.services.backoff import AnyBackoff
from foundation_lab.scenario.services.balancing import AnyAlgorithm
from foundation_lab.scenario.services.circuit_breaker import CountWindowSpec, TimeWindowSpec
from foundation_lab.scenario.services.concurrency_limits import AnyConcurrencyLimit
from foundation_lab.scenario.services.event_loop import StepSpec
from foundation_lab.scenario.services.health_monitor import WatchSpec
from foundation_lab.scenario.services.line import AnyLine
from foundation_lab.scenario.services.load_balancer import OutlierSpec
from foundation_lab.scenario.services.rate_limiter import RateLimiterSpec
from foundation_lab.scenario.services.retry import AdditiveJitter, FactorJitter
from foundation_lab.scenario.services.retry_budget import BudgetSpec
from foundation_lab.scenario.services.supervisor import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.section import Section

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"

BLOCK = re.compile(r"(<!-- keys: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def members(union: Any) -> list[type[Section]]:
    """Return the models of a union, in order."""
    if isinstance(union, type) and hasattr(union, "model_fields"):
        return [union]
    inner = [member for each in get_args(union) if each is not None for member in members(each)]
    return [] if get_origin(union) is list else inner


PARTS: dict[str, list[type[Section]]] = {
    "duration": members(Duration),
    "backoff": members(AnyBackoff),
    "line": members(AnyLine),
    "warm up": [WarmUpSpec],
    "step": [StepSpec],
    "window": [CountWindowSpec, TimeWindowSpec],
    "jitter": [FactorJitter, AdditiveJitter],
    "budget": members(BudgetSpec),
    "rate limit": members(RateLimiterSpec.model_fields["limit"].annotation),
    "concurrency limit": members(AnyConcurrencyLimit),
    "algorithm": members(AnyAlgorithm),
    "outliers": [OutlierSpec],
    "scaling rules": [ScalingRulesSpec],
    "scaling policy": [ScalingPolicySpec],
    "child": [ChildSpec],
    "watch": [WatchSpec],
}
"""The parts of a file that have a table, each with its models."""

NAMED = {frozenset(each.__name__ for each in models): name for name, models in PARTS.items()}
"""Which part it is, by the names of its models."""

TAGS = {
    model.__name__: f"`{get_args(model.model_fields['kind'].annotation)[0]}`"
    for model in [*KINDS.values(), *(each for models in PARTS.values() for each in models)]
    if "kind" in model.model_fields
}
"""What a file calls a model."""

ANCHORS = {
    "child": "children",
    "outliers": "outliers",
    "scaling policy": "scaling-policies",
    "scaling rules": "scaling-rules",
    "watch": "watches",
}
"""Where a part has its table, if that is not its name with an s."""


def table(name: str) -> str:
    """Return the table of a kind of service, or of a part."""
    models = PARTS[name] if name in PARTS else [KINDS[name]]
    kinds = all("kind" in model.model_fields for model in models) and name in PARTS
    head = [*(["kind"] if kinds else []), "key", "value", "default", "meaning"]
    lines = [head, ["---"] * len(head)]
    for model in models:
        lines += [[*([TAGS[model.__name__]] if kinds else []), *row] for row in rows(model)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows(model: type[Section]) -> Iterator[list[str]]:
    """Yield what the table of a model says of each key."""
    schema = model.model_json_schema()
    schema = schema["$defs"][model.__name__] if "$ref" in schema else schema
    keys = [key for key in model.model_fields if key != "kind"]
    for key in keys:
        field, about = model.model_fields[key], schema["properties"][key]
        without = "**required**" if field.is_required() else default(field)
        yield [f"`{key}`", value(about), without, about["description"].replace("|", "\\|")]
    if not keys:
        yield ["—", "", "", first_line(model)]


def first_line(model: type[Section]) -> str:
    """Return what a model is, in a sentence."""
    return (model.__doc__ or "").partition("\n")[0]


def default(field: Any) -> str:
    """Return the default of a key, as a file would say it."""
    given = field.get_default(call_default_factory=True)
    if given is None or given is PydanticUndefined:
        return "—"
    if hasattr(given, "model_dump"):
        inner = given.model_dump(exclude_unset=True)
        return f"`{{{', '.join(f'{key}: {it}' for key, it in inner.items())}}}`"
    return f"`{given:g}`" if isinstance(given, float) else f"`{json.dumps(given).strip(chr(34))}`"


def value(about: dict[str, Any]) -> str:
    """Return what a key may hold, in words, from its JSON Schema.

    A null that is the default, and so is what a file says by leaving the key out, is no value.
    """
    alternatives = about.get("anyOf")
    if alternatives:
        parts = {_part(each) for each in alternatives}
        words = [
            value(each)
            for each in alternatives
            if not (each.get("type") == "null" and about.get("default", "") is None)
            and not (each.get("type") == "number" and "duration" in parts)
            and not ("enum" in each and parts & {"line", "algorithm"})
        ]
        return " or ".join(dict.fromkeys(words))
    part = _part(about)
    if part:
        anchor = ANCHORS.get(part, f"{part.replace(' ', '-')}s")
        return f"[{part}](#{anchor})" if part in PARTS else part
    if "enum" in about:
        return "[error](#errors)" if "ServiceError" in about["enum"] else _words(about["enum"])
    if about["type"] == "array":
        row = [value(each) for each in about.get("prefixItems", ())]
        return f"[{', '.join(row)}]" if row else f"list of {value(about['items'])}"
    if about["type"] == "object":
        entries = [*about.get("patternProperties", {}).values(), about.get("additionalProperties")]
        return f"mapping to {value(entries[0])}"
    return _scalar(about)


def _part(about: dict[str, Any]) -> str:
    """Return the part that a schema refers to, alone or as one of several models."""
    refs = [about["$ref"]] if "$ref" in about else [each["$ref"] for each in about.get("oneOf", ())]
    names = frozenset(ref.rpartition("/")[2] for ref in refs)
    if not names:
        return ""
    if names in NAMED:
        return NAMED[names]
    return " or ".join(TAGS[ref.rpartition("/")[2]] for ref in refs)


def _words(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _scalar(about: dict[str, Any]) -> str:
    kinds = {"number": "number", "integer": "whole number", "boolean": "true or false"}
    kinds |= {"string": "name" if "pattern" in about else "text", "null": "null"}
    least, above = about.get("minimum"), about.get("exclusiveMinimum")
    most, below = about.get("maximum"), about.get("exclusiveMaximum")
    limits = [
        f"≥ {least:g}" if least is not None and abs(least) < 10**9 else "",
        f"> {above:g}" if above is not None else "",
        f"≤ {most:g}" if most is not None and most < 10**9 else "",
        f"< {below:g}" if below is not None else "",
    ]
    return " ".join([kinds[about["type"]], ", ".join(limit for limit in limits if limit)]).strip()


def renewed(page: str) -> str:
    """Return a page with its tables as the models have them."""
    return BLOCK.sub(lambda found: found[1] + "\n" + table(found[2]) + "\n" + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
