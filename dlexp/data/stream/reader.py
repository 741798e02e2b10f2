"""What a reader process does: images from their files into memory that it shares with the training.

Started as `python -m dlexp.data.stream.reader MEMORY BYTES CHANNELS SIZE DEEP RED GREEN BLUE` by
dlexp/data/stream/readers.py; DEEP is 1 for images whose values have more than 8 bits, which are float32, and the colour
is that of the background. A request is a line on its standard input, `[row, [path, …]]`; the images go into that row
and the next ones, and the answer is a line `[[[path, reason], …], count]` that names those that can't be read, and says
how many were transparent. It ends when its input ends, so with the training, however that ends. It loads neither torch
nor the training's own module: it starts in 0.4 s and takes 30 MB.
"""

import json
import mmap
import os
import sys

import numpy as np

from dlexp.data.formats.pixels import read_alike, reason_of, register_plugins


def main(memory: str, num_bytes: int, channels: int, size: int, deep: int, *background: int) -> None:
    """Answers requests until there are no more."""
    register_plugins()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a decoder prints is no answer
    dtype = np.float32 if deep else np.uint8
    rows = np.frombuffer(attached(memory, num_bytes), dtype=dtype).reshape(-1, channels, size, size)
    for request in sys.stdin:
        first, paths = json.loads(request)
        failures, num_transparent = [], 0
        for row, path in enumerate(paths, first):
            try:
                rows[row], was_transparent = read_alike(
                    path, size=size, channels=channels, background=background, deep=bool(deep)
                )
                num_transparent += was_transparent
            except Exception as error:  # nothing is swallowed: the training gets the reason
                failures.append((path, reason_of(error)))
        answers.write(json.dumps([failures, num_transparent]) + "\n")
        answers.flush()


def attached(memory: str, num_bytes: int) -> mmap.mmap:
    """Returns the shared memory: on Windows by its name, elsewhere by the number of the file that came along."""
    if sys.platform == "win32":
        return mmap.mmap(-1, num_bytes, tagname=memory)
    return mmap.mmap(int(memory), num_bytes)


if __name__ == "__main__":
    try:
        main(sys.argv[1], *map(int, sys.argv[2:]))
    except (BrokenPipeError, KeyboardInterrupt):  # the training is gone
        os._exit(1)
