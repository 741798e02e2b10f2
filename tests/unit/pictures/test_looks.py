"""Colours that stand out from the paper, light and dark."""

import pytest

from dlexp.pictures.looks import DARK, GREY, LIGHT, LOOKS


def test_looks_name_colours_that_light_and_dark_both_have() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert {look.colour for look in LOOKS.values()} - {"arm"} <= LIGHT.keys()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_stand_out_from_the_paper(colours: dict[str, str]) -> None:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = luminance(colours["bg"])
    for name in ("ink", "soft", "warn", *(f"c{number}" for number in range(GREY + 1))):
        low, high = sorted([paper, luminance(colours[name])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, name  # WCAG 2.1, AA
