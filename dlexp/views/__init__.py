"""Fixed ways to show a model its samples, changed before all else: options of the group `view`."""
