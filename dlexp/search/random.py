"""`search=random`: points drawn one by one, independent of each other."""

from dlexp.search.settings import Search


class Random(Search):
    """Independent draws; see `sequence.proposals`."""

    sampler = "random"
