"""Values held against type hints: of the schema, and of what an option calls."""

import inspect
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from dlexp.errors import as_typed
from dlexp.ranges import Choice


def hints_of(function: Any) -> dict[str, Any]:
    """Returns the type hints of the parameters of a function or class by name; none where they can't be read."""
    if inspect.isclass(function) and not hasattr(function, "__dataclass_fields__"):
        function = function.__init__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # a stranger's signature may name types that are not there at run time
        return {}


def against_hints(values: Mapping[str, Any], function: Any, prefix: str) -> list[str]:
    """Returns what is wrong with those of the values that a function, or the schema, has a type hint for."""
    hints = hints_of(function)
    found = [(key, value, value_problem(value, hints[key])) for key, value in values.items() if key in hints]
    return [
        f"{prefix}{key}={as_typed(value)} {problem}{IN_QUOTES * ('a text' in problem and _was_read_otherwise(value))}"
        for key, value, problem in found
        if problem
    ]


def _was_read_otherwise(value: Any) -> bool:
    """Returns whether YAML may have made of a word what this is: a number, true or false, a list of such."""
    return any(map(_was_read_otherwise, value)) if isinstance(value, list) else isinstance(value, int | float)


IN_QUOTES = "; without quotes YAML reads no, yes, on and off as false and true, and digits as a number"
NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a mapping"}


def value_problem(value: Any, hint: Any) -> str | None:
    """Returns what is wrong with `value` under a type hint ("must be a whole number", "must be ≥ 1"), or None."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        problem = value_problem(value, args[0])
        words = next((mark for mark in args[1:] if isinstance(mark, Choice)), None)
        if problem and words and problem.startswith("must be a text"):  # all of which are known
            return problem.replace("a text", f"one of {words}", 1)
        if problem or value is None:
            return problem
        return next((p for mark in args[1:] if hasattr(mark, "problem") and (p := mark.problem(value))), None)
    if origin in (Union, types.UnionType):
        # torch writes `lr: float | Tensor`, and no config holds a tensor.
        found = [value_problem(value, arg) for arg in args if getattr(arg, "__name__", "") != "Tensor"]
        told = sorted((p for p in found if p), key=lambda p: p.endswith(" or null"))  # which is said of its items
        return None if None in found else " or ".join(told).replace(" or must be", " or")
    if origin in (list, tuple) or hint in (list, tuple):
        if not isinstance(value, list):
            return "must be a list like " + ("[one,other]" if args[:1] == (str,) else "[1,2]")
        problems = [value_problem(each, args[0]) for each in value] if origin is list else []
        return next((f"must be a list in which each is {p.removeprefix('must be ')}" for p in problems if p), None)
    if hint is type(None):
        return None if value is None else "must be null"
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return None if math.isfinite(value) else "must be finite"
    hint = origin or hint
    if hint in NAMES and (not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))):
        return f"must be {NAMES[hint]}"
    return None
