"""What an unquoted word means in the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None

MAX_DIGITS = 400


def plain_value(text: str) -> Scalar:
    """Return the value of an unquoted word.

    >>> [plain_value(text) for text in ("no", "1e-3", "0o17", "017", "~")]
    ['no', 0.001, 15, 17, None]

    Raises:
        ValueError: It is a number of more than 400 characters.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not _NUMBER.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} characters")
    if text.startswith(("0o", "0x")):
        return int(text, base=0)
    if text.lstrip("+-").isdecimal():
        return int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"""[-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
    | [-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?
    | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)""",
    re.VERBOSE,
)
