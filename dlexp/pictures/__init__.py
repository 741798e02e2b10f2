"""Pure functions from numbers to matplotlib figures; none of them opens a window or keeps global state."""

from dlexp.pictures.classes import confusion_matrix, per_class_accuracy, per_label_f1
from dlexp.pictures.grids import image_grid, mistakes, segmentation
from dlexp.pictures.lines import curves, learning_rates
from dlexp.pictures.one_feature import class_shares, fitted_curve
from dlexp.pictures.planes import decision_regions, prediction_against_truth

__all__ = [
    "class_shares",
    "confusion_matrix",
    "curves",
    "decision_regions",
    "fitted_curve",
    "image_grid",
    "learning_rates",
    "mistakes",
    "per_class_accuracy",
    "per_label_f1",
    "prediction_against_truth",
    "segmentation",
]
