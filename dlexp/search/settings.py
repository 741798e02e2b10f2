"""What every search can be told, and what it is asked: the points to try first, and the next ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from dlexp.errors import UserError
from dlexp.ranges import Choice, Range
from dlexp.search.space import Proposal, Space

State = Literal["finished", "failed", "pruned", "running"]


@dataclass(frozen=True)
class Told:
    """A trial so far: what it tries, and how far it is.

    value: what chose its best epoch, the higher the better; of a trial on several seeds their mean. curve: the same for
    each step at which it was seen. loss: in validation, by which equal ones are told apart.
    """

    proposal: Proposal
    state: State
    value: float | None = None
    curve: dict[int, float] = field(default_factory=dict)
    loss: float = math.inf


@dataclass(kw_only=True)
class Search:
    """Settings of conf/search/NAME.yaml, which says what they mean.

    sampler: of `sequence.proposals`. asks_while_running: whether it takes what runs so far into its next points.
    """

    sampler: ClassVar[str]
    asks_while_running: ClassVar[bool] = False

    seed: Annotated[int, Range(ge=0, lt=2**32)]
    epochs: Annotated[int | None, Range(ge=1)]
    top: Annotated[int | None, Range(ge=1)]
    prune: Annotated[str, Choice("none", "asha", "median")]
    prune_from: Annotated[int, Range(ge=1)]
    prune_keep: Annotated[int, Range(ge=2)]
    prune_least: Annotated[int, Range(ge=1)]

    def first(self, space: Space, trials: int) -> list[Proposal]:
        """Returns the points that are tried without a look at results; all of them, unless `asks_while_running`."""
        from dlexp.search.sequence import proposals

        return proposals(space, trials, self.sampler, self.seed)

    def propose(self, space: Space, told: Sequence[Told]) -> Proposal | None:
        """Returns the next point after those that `first` gave; None: there is none."""
        return None

    def problems(self, epochs: int, trials: int) -> list[str]:
        """Returns what is wrong with the settings for trainings of so many epochs, a sentence each."""
        found = []
        if (self.epochs is None) != (self.top is None):
            found.append("search.epochs and search.top go together: search.epochs=3 search.top=4 trains all trials for"
                         " 3 epochs, then the best 4 whole")  # fmt: skip
        elif self.epochs is not None and self.epochs >= epochs:
            found.append(f"search.epochs={self.epochs} is no shorter than a whole training, epochs={epochs}")
        if self.top is not None and self.top >= trials:
            found.append(f"search.top={self.top} leaves none of trials={trials} out")
        length = self.epochs or epochs
        if self.prune != "none" and self.prune_from >= length:
            found.append(
                f"search.prune={self.prune} has nothing to end early: search.prune_from={self.prune_from} of {length}"
                f" epoch{'s' * (length != 1)}"
            )
        return found


def refuse_unknown(search: object) -> Search:
    """Returns a search as it is. Raises UserError where the object of a person's own option is none."""
    if isinstance(search, Search):
        return search
    raise UserError(f"{type(search).__name__} is no search: its class derives from dlexp.search.settings.Search")
