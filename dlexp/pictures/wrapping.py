"""Words in as many lines as they need, so that none is cut at the edge of a picture of matplotlib's."""

from dlexp.pictures.drawing import fitted, text_width

# DejaVu Sans, which comes with matplotlib, is that much wider than what browsers take.
NARROWER = 0.88


def wrapped(words: str, width: float, size: float) -> str:
    """Returns words in as many lines as they need where letters of that size have so many inches.

    A word that is wider than a line is cut with an ellipsis.
    """
    lines, room = list[str](), 72 * width * NARROWER
    for part in words.split("\n"):
        lines.append("")
        for word in part.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if lines[-1] and text_width(longer, size) > room:
                lines.append(word)
            else:
                lines[-1] = longer
    return "\n".join(fitted(line, room, size) for line in lines)
