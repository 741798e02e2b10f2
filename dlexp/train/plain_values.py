"""Values that a state file can hold: it is read without running anything, so as tensors and primitives only."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

_KINDS = {type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size}
_NONE = object()  # None is a value


def plain_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields that a state file can hold; numbers that numpy computed become Python's."""
    found = {key: _plain(value) for key, value in fields.items()}
    return {key: value for key, value in found.items() if value is not _NONE}


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    if isinstance(value, Tensor) or kind in _KINDS:
        return value
    if isinstance(value, float) and kind.__module__ == "numpy":  # float64: the same number
        return float(value)
    if kind in (list, tuple, set):
        items = [_plain(item) for item in value]
        return _NONE if any(item is _NONE for item in items) else kind(items)
    if kind in (dict, OrderedDict):
        pairs = [(_plain(key), _plain(item)) for key, item in value.items()]
        return _NONE if any(key is _NONE or item is _NONE for key, item in pairs) else kind(pairs)
    return _NONE
