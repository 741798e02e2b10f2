"""`search=qmc`: points spread evenly over the space."""

from dlexp.search.settings import Search


class Qmc(Search):
    """Sobol's points; see `sequence.proposals`."""

    sampler = "qmc"
