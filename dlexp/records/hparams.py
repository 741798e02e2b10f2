"""A run's row in TensorBoard's HParams tab: its columns, in what order they stand, and which rows are one arm."""

from collections.abc import Collection, Mapping
from typing import Any


def row(params: Mapping[str, Any], metrics: Mapping[str, str], differing: Collection[str], arm: str) -> tuple[Any, ...]:
    """Returns the summaries of a row. metrics: what the tab calls each, by its tag.

    TensorBoard sorts the settings by name, those that `differ` before the others, and shows the mean of the metrics
    of all rows of one `arm`, a click away from its runs; a row without one ("") stands alone under the run's name.
    """
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from torch.utils.tensorboard import summary

    # torch's own add_hparams would open a second run inside this one, and knows neither order nor arms.
    make: Any = summary.hparams
    summaries = make({key: _cell(value) for key, value in params.items()}, dict.fromkeys(metrics, 0.0))
    for each in summaries:
        plugin = each.value[0].metadata.plugin_data
        content = HParamsPluginData.FromString(plugin.content)
        if content.HasField("session_start_info"):
            content.session_start_info.group_name = arm
        for info in content.experiment.hparam_infos if content.HasField("experiment") else ():
            info.differs = info.name in differing
        for info in content.experiment.metric_infos if content.HasField("experiment") else ():
            info.display_name = metrics[info.name.tag]
        plugin.content = content.SerializeToString()
    return tuple(summaries)


def _cell(value: Any) -> float | str:
    """Returns a parameter as the tab can sort it: numbers stay numbers, everything else becomes text."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if isinstance(value, int | float):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()  # a file's name may hold other bytes
