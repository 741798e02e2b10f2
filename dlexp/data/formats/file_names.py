"""What names of files and folders say: to which split a folder belongs, what no person put there, how to write them."""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

SPLIT_WORDS = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
# Words beside these that say nothing: training_set, seg_train, test_images.
FILLERS = {"", "data", "image", "images", "img", "imgs", "sample", "samples", "seg", "split"}
# What systems put beside a person's files: thumbnails, what they packed or threw away.
OF_SYSTEMS = (
    "@eadir, __macosx, __pycache__, #recycle, $recycle.bin, lost+found, system volume information, desktop.ini,"
    " ehthumbs.db, thumbs.db"
).split(", ")
# What names may be in, the stricter ones first: nearly all bytes are names in the last.
ENCODINGS = ("utf-8", "gb2312", "cp1252")


def is_hidden(name: str) -> bool:
    """Tells whether a file or folder is hidden, or made by a system for itself."""
    return name.startswith(".") or name.lower() in OF_SYSTEMS


def named_splits(names: Iterable[str]) -> dict[str, list[str]]:
    """Returns those of the folders' names that are of a split, by split: "train", "val", "test".

    Other words of a name must say nothing, or be those of another split's name too (asl_train and asl_test).
    """
    found = []
    for name in names:
        words = _words(name)
        splits = [SPLIT_OF[word] for word in words if word in SPLIT_OF]
        rest = frozenset(words).difference(SPLIT_OF, FILLERS)
        found += [(split, rest, name) for split in splits[:1] if len(splits) == 1]
    of_rest: dict[frozenset[str], set[str]] = {}
    for split, rest, _ in found:
        of_rest.setdefault(rest, set()).add(split)
    return {
        split: matching
        for split in SPLIT_WORDS
        if (matching := [name for own, rest, name in found if own == split and (not rest or len(of_rest[rest]) > 1)])
    }


def says_the_same(name: str, outer: str) -> bool:
    """Tells whether a folder's name says nothing that the folder around it does not say: seg_train in seg_train."""
    return set(_words(name)) <= {*_words(outer), *FILLERS}


def readable(names: Sequence[str]) -> list[str]:
    """Returns names that lie side by side as text that every file and console takes.

    Of bytes that are not UTF-8 it is what they may have been: in an encoding that all of the names fit, since 猫 in GBK
    is è in UTF-8, or else each in the first that it fits.
    """
    raw = [os.fsencode(name) for name in names]
    for encoding in ENCODINGS[:2]:
        with suppress(UnicodeDecodeError):
            return [name.decode(encoding) for name in raw]
    return [_decoded(name) for name in raw]


def _decoded(raw: bytes) -> str:
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("utf-8", errors="backslashreplace")


def _words(name: str) -> list[str]:
    return [re.sub("(set|data)$", "", word) for word in re.split("[^a-z]+", name.lower())]
