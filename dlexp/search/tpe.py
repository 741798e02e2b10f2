"""`search=tpe`: points proposed from the results so far, by Optuna.

Nothing but the run folders remembers: for each proposal a study is made anew from what they tell.
"""

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dlexp.errors import UserError
from dlexp.ranges import Interval
from dlexp.search.sequence import distinct
from dlexp.search.settings import Search, Told
from dlexp.search.space import Proposal, Space, shown

# Points spread evenly that come first: a model of fewer results tells little (Optuna's own number).
STARTUP = 10
# How often another point is asked for when one that was tried comes again.
TRIES = 10


class Tpe(Search):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), multivariate (Falkner et al. 2018)."""

    sampler = "qmc"
    asks_while_running = True

    def first(self, space: Space, trials: int) -> list[Proposal]:
        """Returns the points that the model begins with.

        Raises:
            UserError: Optuna is not there.
        """
        _optuna()
        return super().first(space, min(trials, STARTUP))

    def propose(self, space: Space, told: Sequence[Told]) -> Proposal | None:
        """Returns where the model expects most, in the same state always the same; None: all of the space was tried.

        Workers that ask at once get different points: a trial that runs counts as a bad one until it has ended.
        """
        tried = [each.proposal for each in told]
        for again in range(TRIES):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions that call what is used here experimental
                found = _asked(space, told, self.seed + len(told) + 7919 * again)
            if found not in tried:
                return found
        return next((each for each in distinct(space, self.sampler, self.seed) if each not in tried), None)


def _asked(space: Space, told: Sequence[Told], seed: int) -> Proposal:
    """Returns the point that a study of these trials proposes."""
    optuna = _optuna()
    distributions = {key: _distribution(optuna, part) for key, part in space.items()}
    sampler = optuna.samplers.TPESampler(
        seed=seed % 2**32, n_startup_trials=0, multivariate=True, constant_liar=True, group=False
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for each in told:
        params = {key: _inside(part, each.proposal[key]) for key, part in space.items()}
        # Optuna forgets a trial that failed, and would go there again: one that was pruned at no step ranks last.
        state = {"finished": "COMPLETE", "failed": "PRUNED", "pruned": "PRUNED", "running": "RUNNING"}[each.state]
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                state=optuna.trial.TrialState[state],
                value=each.value if state == "COMPLETE" else None,
                intermediate_values={} if each.state == "failed" else each.curve,
            )
        )
    asked = study.ask(distributions).params
    return {key: shown(part, asked[key]) if isinstance(part, Interval) else asked[key] for key, part in space.items()}


def _distribution(optuna: Any, part: Interval | tuple[str, ...]) -> Any:
    if not isinstance(part, Interval):
        return optuna.distributions.CategoricalDistribution(part)
    kinds = optuna.distributions
    if part.is_whole:
        return kinds.IntDistribution(int(part.low), int(part.high), log=part.is_log)
    return kinds.FloatDistribution(part.low, part.high, log=part.is_log)


def _inside(part: Interval | tuple[str, ...], word: str) -> float | str:
    if not isinstance(part, Interval):
        return word
    return int(word) if part.is_whole else min(max(float(word), part.low), part.high)


def _optuna() -> Any:
    """Returns the library, silent. Raises UserError where it is not there."""
    try:
        optuna = import_module("optuna")
    except ImportError:
        raise UserError("search=tpe needs Optuna: pip install 'dlexp[search]'; search=qmc needs nothing more") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
