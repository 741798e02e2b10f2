"""(g) A run of dlexp in this process, told by the seconds of its loop: steps, records, console, and nothing of import,
checks, last state, test and pictures."""

import json
import sys
import time
from typing import Any

from dlexp.__main__ import dispatch
from dlexp.experiment import loop

to_the_end, seconds = loop._to_the_end, []


def timed(*args: Any) -> None:
    """Trains as a run does, and keeps the seconds."""
    began = time.perf_counter()
    to_the_end(*args)
    seconds.append(time.perf_counter() - began)


loop._to_the_end = timed
dispatch(sys.argv[1:])
print(json.dumps({"rate": sum(seconds)}))
