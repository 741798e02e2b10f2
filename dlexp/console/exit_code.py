"""What a process ends with, and the sentence for what a person can mend."""

import sys
from collections.abc import Callable

from dlexp.console.streams import forget_reader, setup_console
from dlexp.errors import UserError
from dlexp.machine.shortage import disk_is_full
from dlexp.machine.signals import StopRequested, exit_code_of, listening


def answering(work: Callable[[], int]) -> int:
    """Does a process's work and returns its exit code; what a person can mend is said in a sentence."""
    setup_console()
    try:
        with listening():
            return work()
    except BrokenPipeError:  # the reader (`| head`) has gone; Python would complain once more at exit
        forget_reader()
        return 1
    except (UserError, OSError) as error:
        sentence = disk_is_full(error) if isinstance(error, OSError) else str(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, StopRequested) as stop:
        print(f"stopped by {stop}" if isinstance(stop, StopRequested) else "interrupted", file=sys.stderr)
        return exit_code_of(stop)
