"""Reports without what depends on how fast a machine was: times stand apart in each of their files."""

import csv
import json
import re
from pathlib import Path
from typing import Any

# At the end of a row, as `format_seconds` writes it.
TIME = r"[\d.]+ (s|min|h|d)( \d+ (s|min|h))?(?= (\||\\\\)$)"


def without_seconds(value: Any) -> Any:
    """Returns data without the keys that begin with `seconds`."""
    if isinstance(value, dict):
        return {key: without_seconds(each) for key, each in value.items() if not key.startswith("seconds")}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def without_times(html: str) -> str:
    """Returns a page without its elements of class `time`, and its data without seconds."""
    html = re.sub(r'<div class="[^"]*\btime\b[^"]*">.*?</div>', "", html, flags=re.DOTALL)
    html = re.sub(r'<(td|th|span)( [^>]*)? class="[^"]*\btime\b[^"]*".*?</\1>', "", html, flags=re.DOTALL)
    return re.sub(r'"seconds":(\[[^]]*\]|[\d.]+)', "", html)


def timeless(report: Path) -> dict[str, Any]:
    """Returns what the files of a report say without times, by name; pictures against seconds are left out."""
    found: dict[str, Any] = {}
    for path in report.iterdir():
        if path.suffix == ".html":
            found[path.name] = without_times(path.read_text(encoding="utf-8"))
        elif path.suffix == ".json":
            found[path.name] = without_seconds(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                found[path.name] = [without_seconds(row) for row in csv.DictReader(file)]
        elif path.suffix in (".md", ".tex"):  # tables of arms end in a column of times
            found[path.name] = re.sub(TIME, "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        elif "seconds" not in path.name:
            found[path.name] = path.read_bytes()
    return found
