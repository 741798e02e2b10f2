"""The opening of a run folder: a new one is written at once, a run that goes on only when nothing can refuse it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlexp.config.composed import Composed
from dlexp.errors import RefusedError, UnreadableError, UserError, to_type
from dlexp.experiment import closing, description, saved_state
from dlexp.experiment.advice import lower_rate
from dlexp.experiment.assemble import Assembly, assemble
from dlexp.experiment.identity import parent
from dlexp.experiment.remarks import remark
from dlexp.machine.environment import environment
from dlexp.machine.shortage import explaining
from dlexp.machine.signals import StopRequested
from dlexp.machine.whole_file import uninterrupted, whole_file
from dlexp.records.folder import CONFIG, DATA, METRICS, RECORD, saved_states, unfinished_files
from dlexp.records.metrics import write_metrics
from dlexp.records.run_json import RunRecord, recorded, recorded_threads, write_json
from dlexp.train.losses import NonFiniteLoss

log = logging.getLogger(__name__)


@contextmanager
def opened(
    composed: Composed, folder: Path, resumption: saved_state.Resumption | None, identity: Mapping[str, Any]
) -> Iterator[tuple[Assembly, RunRecord, list[dict[str, Any]]]]:
    """Yields a run that can train, its record and the records of its epochs so far.

    A new run is written down at once, so that what fails leaves its reason; of one that is refused before it trains
    nothing need be left, which `making` sees to. One that goes on changes nothing in its
    folder before all that can refuse has spoken, and one that fails in its first step leaves it as it was. How the
    block ended is noted there, if it was not well.

    Raises:
        RefusedError: a new run can't begin, as where its data can't be read.
        UserError: no state can be used, memory or disk ran out, or the loss stopped being a number.
    """
    config = composed.config
    if resumption is None:
        facts = {"parent": parent(config, folder), "choices": composed.choices, **identity}
        entry = RunRecord.new(folder, seed=config["seed"], overrides=composed.words, **facts)
        with _noted(entry, config, folder):
            _write_config(folder, config)
            with _refused():
                run = assemble(config)
            entry.note(**_facts(run))
            log.info(description.in_one_line(run))
            for sentence in composed.remarks:
                log.info(sentence)
            remark(run, config)
            with _refused(run):
                yield run, entry, []
        return
    threads = config["threads"] or recorded_threads(folder)  # sums depend on it
    with explaining(config["batch_size"]):
        run = assemble({**config, "threads": threads}, is_resumed=bool(saved_states(folder)))
        log.info(description.in_one_line(run))
        remark(run, config)
        kept = saved_state.restore(run, folder, resumption)
    begun = (run.state.step, run.state.batch)
    before = {path: path.read_bytes() for name in (RECORD, CONFIG, METRICS, DATA) if (path := folder / name).exists()}
    again = {"overrides": resumption.words, "cell": recorded(folder / RECORD, "cell"), "step": run.state.step}
    again["environment"] = environment(run.device_facts)
    resumption.accepted()
    for path in unfinished_files(folder):
        path.unlink(missing_ok=True)
    with uninterrupted():
        # The record first: killed after it, the run counts as killed and goes on with the config it had.
        entry = RunRecord.reopened(folder, again, **identity, **_facts(run))
    try:
        with _noted(entry, config, folder):
            _write_config(folder, config)
            write_metrics(folder, kept)
            write_json(folder / DATA, run.data_facts)  # it may go on with other data
            yield run, entry, [row for row in kept if row["kind"] == "epoch"]
    except Exception:
        if (run.state.step, run.state.batch) == begun:  # what was changed for it can't be trained here
            for path, content in before.items():
                with whole_file(path) as file:
                    file.write(content)
        raise


@contextmanager
def _refused(run: Assembly | None = None) -> Iterator[None]:
    """Makes a refusal of a mistake that shows before the first step; a sample that can't be read then is none."""
    try:
        yield
    except UserError as error:
        if run is not None and (run.state.step or run.state.batch or isinstance(error, UnreadableError)):
            raise
        raise RefusedError(*error.problems) from error


@contextmanager
def _noted(entry: RunRecord, config: Mapping[str, Any], folder: Path) -> Iterator[None]:
    """Notes in a run's record how the block ended, if it was not well; errors that a person can mend get a sentence."""
    try:
        with explaining(config["batch_size"]):
            yield
    except NonFiniteLoss as error:
        entry.broken_off("failed", str(error))
        penalty = f"a smaller l1 than {config['l1']:g}, " if config["l1"] else ""
        advice = (
            f"try {penalty}{lower_rate(config['optimizer'], config['recipe'])} or grad_clip=1. The run is in {folder}"
        )
        raise UserError(f"{error}; {advice}") from error
    except (KeyboardInterrupt, StopRequested) as error:
        with uninterrupted():  # a sweep's parent may tell its jobs a second time
            reason = f"stopped by {error}" if isinstance(error, StopRequested) else "interrupted"
            entry.broken_off("stopped", reason)
        goes_on = "goes on from here" if saved_states(folder) else "begins anew: no state was saved yet"
        log.info(f"stopped; {to_type(f'resume={closing.shown(folder)}')} {goes_on}")
        raise
    except BaseException as error:
        is_known = isinstance(error, UserError)
        if not is_known:
            log.debug("the run failed", exc_info=True)  # the console gets the traceback from Python, log.txt here
        entry.broken_off("failed", str(error) if is_known else f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def _facts(run: Assembly) -> dict[str, str]:
    """Returns what run.json says of what the run read: its data, and with `init_from` the weights it began with."""
    weights = {} if run.state.initial_weights is None else {"initial_weights": run.state.initial_weights}
    return {"data": run.state.data["fingerprint"], **weights}


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    with whole_file(folder / CONFIG) as file:
        file.write(description.as_yaml(config).encode("utf-8"))
