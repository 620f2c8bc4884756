"""What the JSON Schema of a model says about the value at a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation_lab.scenario.location import value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation_lab.scenario.diagnostics import Data, DataPath


def known_keys(schema: dict[str, Any], path: DataPath, data: Data) -> dict[str, Any]:
    """Return the keys, with their schemas, that are known in the mapping at a path."""
    return {
        name: inner
        for node in _schemas_at(schema, path, data)
        for name, inner in node.get("properties", {}).items()
    }


def known_tags(schema: dict[str, Any], path: DataPath, data: Data) -> tuple[str, ...]:
    """Return the values that tell the members of the union at a path apart."""
    unions = (node.get("discriminator", {}) for node in _schemas_at(schema, path, data))
    return tuple(tag for union in unions for tag in union.get("mapping", {}))


def _schemas_at(schema: dict[str, Any], path: DataPath, data: Data) -> list[dict[str, Any]]:
    """Return every schema that may describe the value at a path, unions and their members."""
    nodes = list(_members(schema, schema, data))
    for depth, step in enumerate(path, start=1):
        here = value_at(data, path[:depth])
        nodes = [
            member
            for node in nodes
            for inner in _inner(node, step)
            for member in _members(inner, schema, here)
        ]
    return nodes


def _members(node: dict[str, Any], schema: dict[str, Any], value: Data) -> Iterator[dict[str, Any]]:
    yield node
    tagged = _tagged(node.get("discriminator", {}), schema, value)
    if tagged is not None:
        members = [{"$ref": tagged}]
    else:
        members = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    if "$ref" in node:
        members.append(_definition(schema, node["$ref"]))
    for member in members:
        yield from _members(member, schema, value)


def _tagged(union: dict[str, Any], schema: dict[str, Any], value: Data) -> str | None:
    """Return the name of the member of a union whose tag a value has, or has by default."""
    if not union or not isinstance(value, dict):
        return None
    key, mapping = union["propertyName"], union["mapping"]
    if key in value:
        return mapping.get(value[key]) if isinstance(value[key], str) else None
    defaults = (
        name
        for name in mapping.values()
        if "default" in _definition(schema, name)["properties"][key]
    )
    return next(defaults, None)


def _definition(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][name.rpartition("/")[2]]
    return found


def _inner(node: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, str):
        named = node.get("properties", {})
        others = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
        inner = named[step] if step in named else others[0]
    else:
        entries = node.get("prefixItems", [])
        inner = entries[step] if step < len(entries) else node.get("items")
    if isinstance(inner, dict):
        yield inner
