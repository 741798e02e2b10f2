"""A recorded profile as numbers: which operators are dear, how long the batches took, and what making them took."""

from typing import Any

from dlexp.console.tables import aligned
from dlexp.console.wording import percent

COLUMNS = ("operator", "calls", "self time", "share")
STEP, DATA = "ProfilerStep", "data"  # in the timeline, the range of a batch, and that in which it is made


class Operators:
    """The operators of a profile by their own time: on the GPU when the training ran there, else on the CPU."""

    def __init__(self, profiler: Any, device: str) -> None:
        self._kind = "cpu" if device == "cpu" else "device"
        # Kernels have rows of their own besides the operators that started them, whose time is the same time.
        self._rows = [row for row in profiler.key_averages() if row.device_type.name == "CPU"]

    def table(self, num_rows: int) -> str:
        """Returns the dearest operators, a line each, in aligned columns."""
        operators = [row for row in self._rows if not row.key.startswith(STEP) and row.key != DATA]
        operators.sort(key=self._own, reverse=True)
        total = sum(map(self._own, operators)) or 1.0
        lines = [COLUMNS] + [
            (row.key, str(row.count), f"{self._own(row) / 1e3:.2f} ms", percent(self._own(row) / total))
            for row in operators[:num_rows]
        ]
        return "\n".join(aligned(lines, right=(1, 2, 3)))

    @property
    def seconds(self) -> float:
        """From the beginning of the first batch to the end of the last, profiler included."""
        return sum(float(row.cpu_time_total) for row in self._rows if row.key.startswith(STEP)) / 1e6

    @property
    def device_seconds(self) -> float:
        """In which kernels ran."""
        return sum(float(row.self_device_time_total) for row in self._rows) / 1e6

    @property
    def data_share(self) -> float:
        """Part of the time that making batches took: of the kernels' on a GPU."""
        whole = self.seconds if self._kind == "cpu" else self.device_seconds
        made = sum(float(getattr(row, f"{self._kind}_time_total")) for row in self._rows if row.key == DATA) / 1e6
        return made / whole if whole else 0.0

    def _own(self, row: Any) -> float:
        return float(getattr(row, f"self_{self._kind}_time_total"))
