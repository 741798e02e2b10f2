"""`search=grid`: every combination of the values that are typed, which nobody has to propose."""


class Grid:
    """The sweep without a search: it has no settings."""
