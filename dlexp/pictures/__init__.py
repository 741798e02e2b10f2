"""Pure functions from numbers to matplotlib figures; none of them opens a window or keeps global state."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlexp.pictures.border import separating_line
    from dlexp.pictures.classes import confusion_matrix, per_class_accuracy, per_label_f1
    from dlexp.pictures.codes import codes_by_class
    from dlexp.pictures.grids import image_grid, image_rows, mistakes, segmentation, side_by_side
    from dlexp.pictures.lines import curves, learning_rates
    from dlexp.pictures.one_feature import class_shares, fitted_curve
    from dlexp.pictures.planes import decision_regions, output_plane
    from dlexp.pictures.samples import points, prediction_against_truth
    from dlexp.pictures.surface import weight_path

__all__ = [
    "class_shares",
    "codes_by_class",
    "confusion_matrix",
    "curves",
    "decision_regions",
    "fitted_curve",
    "image_grid",
    "image_rows",
    "learning_rates",
    "mistakes",
    "output_plane",
    "per_class_accuracy",
    "per_label_f1",
    "points",
    "prediction_against_truth",
    "segmentation",
    "separating_line",
    "side_by_side",
    "weight_path",
]

HOMES = {
    "classes": ("confusion_matrix", "per_class_accuracy", "per_label_f1"),
    "codes": ("codes_by_class",),
    "grids": ("image_grid", "image_rows", "mistakes", "segmentation", "side_by_side"),
    "lines": ("curves", "learning_rates"),
    "one_feature": ("class_shares", "fitted_curve"),
    "planes": ("decision_regions", "output_plane"),
    "samples": ("points", "prediction_against_truth"),
    "border": ("separating_line",),
    "surface": ("weight_path",),
}


def __getattr__(name: str) -> Any:
    """Imports a picture when it is drawn: a report's need no torch, which those of a model do."""
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"dlexp.pictures.{home}"), name)
    raise AttributeError(f"module 'dlexp.pictures' has no attribute '{name}'")
