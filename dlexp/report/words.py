"""Small words of a report: counts, lists, rough numbers."""

from collections.abc import Sequence

MOST = 6  # names or comparisons told one by one
NUMBERS = "no one two three four five six seven eight nine ten".split()


def counted(number: int, word: str) -> str:
    """Returns `one run`, `five runs`, `12 runs`."""
    return f"{NUMBERS[number] if number < len(NUMBERS) else number} {word}{'' if number == 1 else 's'}"


def few(names: Sequence[str], last: str = " and ") -> str:
    """Returns names with commas and a last word between; of many the first ones. Where one looks like several names
    itself, all are in quotes.
    """
    if len(names) > 1 and any(", " in name or " and " in name for name in names):
        names = [f"“{name}”" for name in names]
    if len(names) > MOST:
        return f"{', '.join(names[:MOST])} and {len(names) - MOST} more"
    return last.join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def with_value(name: str, value: str) -> str:
    """Returns `adam 96.5 %`, and `lr 0.1: 96.5 %` where the name ends in a number that would run into the value."""
    return f"{name}: {value}" if name[-1:].isdigit() else f"{name} {value}"


def two_digits(value: float) -> str:
    """Returns a rough number: 0.33, 8, 100."""
    return f"{float(f'{value:.2g}'):g}"


def in_range(values: Sequence[float]) -> str:
    """Returns rough numbers as one, or as `0.26 to 0.35`."""
    low, high = two_digits(min(values)), two_digits(max(values))
    return low if low == high else f"{low} to {high}"


def p_in_words(p: float) -> str:
    """Returns `p = 0.060`, with as many digits as tell it from 0.05."""
    if p < 0.001:
        return "p < 0.001"
    digits = next(digits for digits in range(3, 18) if (round(p, digits) < 0.05) == (p < 0.05))
    return f"p = {p:.{digits}f}"


def upper(text: str) -> str:
    """Returns a sentence's beginning."""
    return text[:1].upper() + text[1:]


def ranges(numbers: Sequence[int]) -> str:
    """Returns whole numbers in few words: `1 to 5`, `1, 2 and 7`."""
    ordered = sorted(set(numbers))
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    return " and ".join(filter(None, [", ".join(map(str, ordered[:-1])), str(ordered[-1])]))


def there(value: float | None) -> float:
    """Returns a number that is there by what else is: an arm with values has a mean."""
    assert value is not None
    return value
