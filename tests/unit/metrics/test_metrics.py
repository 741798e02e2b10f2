"""Metrics by name: their values against scikit-learn's, the same whatever the batch, and never waiting for a device."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from sklearn import metrics as sklearn
from torch import Tensor, nn

from dlexp.batch import IGNORED
from dlexp.config.build import build
from dlexp.errors import UserError
from dlexp.metrics.measure import Measure
from dlexp.metrics.torchmetrics import Torchmetrics

FILES = sorted((ROOT / "conf" / "metric").glob("*.yaml"))
NODES: dict[str, Any] = {}
for file in FILES:
    NODES |= yaml.safe_load(file.read_text(encoding="utf-8")) or {}
NODES["torchmetrics"]["arguments"] = {"num_classes": 4}
NODES["top5"]["k"] = 2
MEASURES: dict[str, Measure] = {name: build(node) for name, node in NODES.items()}


def value(measure: Measure, outputs: Tensor, targets: Tensor, batch_size: int = 10_000) -> float:
    """Returns the metric of the samples in batches of this size, as a run makes it."""
    sums: dict[str, Tensor] = {}
    for rows in torch.arange(len(targets)).split(batch_size):
        found = measure.sums(outputs[rows], {"targets": targets[rows]})
        sums = {name: sums[name] + each if name in sums else each for name, each in found.items()}
    return measure.conclude(sums, len(targets))


def samples(kind: str, seed: int, count: int = 500) -> tuple[Tensor, Tensor]:
    """Returns outputs that know something of the targets."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 4, generator=generator)
    if kind == "values":
        targets = torch.randn(count, 4, generator=generator) * torch.tensor([1.0, 5.0, 0.1, 2.0]) + 3
        return targets + noise, targets
    if kind == "labels":
        true = torch.rand(count, 4, generator=generator) < torch.tensor([0.5, 0.1, 0.9, 0.3])
        return 2 * noise + 2 * true - 1, true
    targets = torch.multinomial(torch.tensor([0.5, 0.3, 0.15, 0.05]), count, replacement=True, generator=generator)
    return 2 * noise + 2 * nn.functional.one_hot(targets, 4), targets


def guo(outputs: Tensor, targets: Tensor) -> float:
    """Expected calibration error as the paper writes it, a bin at a time."""
    confidence, answer = outputs.softmax(dim=1).max(dim=1)
    error = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            accuracy = (answer == targets)[inside].double().mean()
            error += float(inside.sum() / len(targets) * (accuracy - confidence[inside].double().mean()).abs())
    return error


def softmax(outputs: Tensor) -> Any:
    return outputs.double().softmax(dim=1).numpy()


def one_hot(targets: Tensor) -> Any:
    return nn.functional.one_hot(targets, 4).numpy()


def of_answers(score: Callable[..., Any], **settings: Any) -> Callable[[Tensor, Tensor], float]:
    return lambda outputs, targets: score(targets.numpy(), outputs.argmax(dim=1).numpy(), **settings)


def of_labels(score: Callable[..., Any], **settings: Any) -> Callable[[Tensor, Tensor], float]:
    return lambda outputs, targets: score(targets.numpy(), (outputs > 0).numpy(), **settings)


def of_values(score: Callable[..., Any]) -> Callable[[Tensor, Tensor], float]:
    return lambda outputs, targets: score(targets.double().numpy(), outputs.double().numpy())


MACRO = {"average": "macro", "zero_division": 0}
BRIER: Callable[[Tensor, Tensor], float] = lambda o, t: ((softmax(o) - one_hot(t)) ** 2).sum(1).mean()  # noqa: E731
TRUTH: dict[tuple[str, str], Callable[[Tensor, Tensor], float]] = {
    ("accuracy", "classes"): of_answers(sklearn.accuracy_score),
    ("pixel_accuracy", "classes"): of_answers(sklearn.accuracy_score),
    ("top5", "classes"): lambda o, t: sklearn.top_k_accuracy_score(t.numpy(), o.numpy(), k=2, labels=range(4)),
    ("macro_f1", "classes"): of_answers(sklearn.f1_score, **MACRO),
    ("dice", "classes"): of_answers(sklearn.f1_score, **MACRO),
    ("micro_f1", "classes"): of_answers(sklearn.f1_score, average="micro"),
    ("precision", "classes"): of_answers(sklearn.precision_score, **MACRO),
    ("recall", "classes"): of_answers(sklearn.recall_score, **MACRO),
    ("balanced_accuracy", "classes"): of_answers(sklearn.balanced_accuracy_score),
    ("iou", "classes"): of_answers(sklearn.jaccard_score, **MACRO),
    ("ece", "classes"): guo,
    ("nll", "classes"): lambda o, t: sklearn.log_loss(t.numpy(), softmax(o), labels=range(4)),
    ("perplexity", "classes"): lambda o, t: math.exp(sklearn.log_loss(t.numpy(), softmax(o), labels=range(4))),
    ("brier", "classes"): BRIER,
    ("auc", "classes"): lambda o, t: sklearn.roc_auc_score(t.numpy(), softmax(o), multi_class="ovr"),
    ("average_precision", "classes"): lambda o, t: sklearn.average_precision_score(one_hot(t), softmax(o)),
    ("solved", "classes"): of_answers(lambda true, answers: float((true == answers).all())),
    ("solved", "labels"): of_labels(lambda true, answers: float((true == answers).all())),
    ("torchmetrics", "classes"): of_answers(sklearn.matthews_corrcoef),
    ("macro_f1", "labels"): of_labels(sklearn.f1_score, **MACRO),
    ("dice", "labels"): of_labels(sklearn.f1_score, **MACRO),
    ("micro_f1", "labels"): of_labels(sklearn.f1_score, average="micro"),
    ("precision", "labels"): of_labels(sklearn.precision_score, **MACRO),
    ("recall", "labels"): of_labels(sklearn.recall_score, **MACRO),
    ("balanced_accuracy", "labels"): of_labels(sklearn.recall_score, **MACRO),
    ("iou", "labels"): of_labels(sklearn.jaccard_score, **MACRO),
    ("subset_accuracy", "labels"): of_labels(sklearn.accuracy_score),
    ("auc", "labels"): lambda o, t: sklearn.roc_auc_score(t.numpy(), o.numpy()),
    ("average_precision", "labels"): lambda o, t: sklearn.average_precision_score(t.numpy(), o.numpy()),
    ("mae", "values"): of_values(sklearn.mean_absolute_error),
    ("mse", "values"): of_values(sklearn.mean_squared_error),
    ("rmse", "values"): lambda o, t: math.sqrt(of_values(sklearn.mean_squared_error)(o, t)),
    ("r2", "values"): of_values(sklearn.r2_score),
}
BY_BINS = ("auc", "average_precision")


def test_every_metric_and_kind_has_its_truth() -> None:
    assert len(FILES) >= 23
    assert {(name, kind) for name, each in MEASURES.items() for kind in each.of} == set(TRUTH)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "kind"), TRUTH)
def test_values_are_those_of_scikit_learn_in_any_batches(name: str, kind: str, seed: int) -> None:
    outputs, targets = samples(kind, seed)
    found = value(MEASURES[name], outputs, targets)
    assert found == pytest.approx(TRUTH[name, kind](outputs, targets), abs=1e-3 if name in BY_BINS else 1e-6)
    for size in (1, 7, 499):
        assert value(MEASURES[name], outputs, targets, size) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_solved_is_one_where_nothing_is_wrong(kind: str) -> None:
    _, targets = samples(kind, 0)
    outputs = nn.functional.one_hot(targets, 4).float() if kind == "classes" else 2.0 * targets - 1
    assert value(MEASURES["solved"], outputs, targets, 7) == 1
    outputs[3] = -outputs[3]
    assert value(MEASURES["solved"], outputs, targets, 7) == 0
    if kind == "classes":
        outputs, targets = outputs[:5], targets[:5].clone()
        targets[3] = IGNORED
        assert value(MEASURES["solved"], outputs, targets) == 1, "what is ignored is not wrong"


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("name", BY_BINS)
def test_bins_hold_scores_of_any_size(name: str, scale: float) -> None:
    """A sure model's probabilities are all 0 or 1 in float32; their order is not lost."""
    outputs, targets = samples("labels", 0, 5000)
    truth = TRUTH[name, "labels"](scale * outputs, targets)
    assert value(MEASURES[name], scale * outputs, targets) == pytest.approx(truth, abs=1e-3)


def test_a_sure_classifier_is_ranked_too() -> None:
    outputs, targets = samples("classes", 0, 5000)
    sure = 4 * outputs
    assert float((sure.softmax(dim=1).max(dim=1).values > 0.999).float().mean()) > 0.3
    assert value(MEASURES["auc"], sure, targets) == pytest.approx(TRUTH["auc", "classes"](sure, targets), abs=1e-3)


def test_two_classes_have_the_auc_of_their_one_score() -> None:
    outputs, targets = samples("classes", 1)
    outputs, targets = outputs[:, :2], targets % 2
    truth = sklearn.roc_auc_score(targets.numpy(), softmax(outputs)[:, 1])
    assert value(MEASURES["auc"], outputs, targets) == pytest.approx(truth, abs=1e-3)


def of_kind(kind: str) -> list[str]:
    return [name for name, each in MEASURES.items() if kind in each.of]


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn's, about classes that are not there
@pytest.mark.parametrize("name", [name for name in of_kind("classes") if name not in BY_BINS])
def test_one_class_alone_and_classes_that_nobody_has(name: str) -> None:
    outputs = torch.eye(4)[torch.tensor([0, 1, 0, 0])] - 0.01 * torch.arange(4)  # without ties
    targets = torch.zeros(4, dtype=torch.int64)
    assert value(MEASURES[name], outputs, targets) == pytest.approx(TRUTH[name, "classes"](outputs, targets), abs=1e-6)


def test_where_there_is_nothing_to_tell_apart() -> None:
    """scikit-learn warns and says nan, which no run could compare."""
    outputs, targets = torch.randn(6, 4), torch.zeros(6, dtype=torch.int64)
    assert (
        value(MEASURES["auc"], outputs, targets) == 0.5 and value(MEASURES["average_precision"], outputs, targets) == 0
    )
    constant = torch.ones(5, 1)
    assert value(MEASURES["r2"], constant, constant) == 1 and value(MEASURES["r2"], constant + 1, constant) == 0


@pytest.mark.parametrize("name", of_kind("classes"))
def test_what_is_ignored_counts_nowhere(name: str) -> None:
    measure = MEASURES[name]
    outputs, targets = samples("classes", 0, 100)
    some = torch.where(torch.arange(100) % 3 == 0, IGNORED, targets)
    assert value(measure, outputs, some) == pytest.approx(value(measure, outputs[some >= 0], some[some >= 0]), abs=1e-9)
    nothing = torch.full_like(targets, IGNORED)
    assert math.isfinite(value(measure, outputs, nothing))


@pytest.mark.parametrize("name", of_kind("classes"))
def test_pixels_are_samples(name: str) -> None:
    outputs, targets = samples("classes", 0, 6 * 5 * 4)
    images, masks = outputs.reshape(6, 5, 4, 4).permute(0, 3, 1, 2), targets.reshape(6, 5, 4)
    assert value(MEASURES[name], images, masks, 2) == pytest.approx(value(MEASURES[name], outputs, targets), abs=1e-9)


@pytest.mark.parametrize("name", of_kind("classes"))
def test_mixed_targets_are_taken_while_training(name: str) -> None:
    outputs, targets = samples("classes", 0)
    certain = nn.functional.one_hot(targets, 4).float()
    assert value(MEASURES[name], outputs, certain) == pytest.approx(value(MEASURES[name], outputs, targets), abs=1e-9)


def test_top_k_counts_ties_in_the_order_of_classes() -> None:
    measure = MEASURES["top5"]
    same = torch.zeros(4, 4)
    assert value(measure, same, torch.arange(4)) == 0.5 == value(measure, same[:, :, None], torch.arange(4)[:, None])
    with pytest.raises(UserError, match="always among the 2 likeliest of 2"):
        measure.sums(same[:, :2], {"targets": torch.zeros(4, dtype=torch.int64)})


@pytest.mark.parametrize("sums_in", [torch.float64, torch.float32])  # Apple's GPUs have no float64
@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6, 1e7])
def test_the_spread_of_values_far_from_zero(monkeypatch: pytest.MonkeyPatch, mean: float, sums_in: torch.dtype) -> None:
    monkeypatch.setattr("dlexp.metrics.measure.sum_dtype", lambda device: sums_in)
    generator = np.random.default_rng(0)
    targets = torch.from_numpy(generator.normal(mean, [1, 10], (400, 2))).float()
    targets[:3] = mean + 100  # nothing that a training happens to see first is to matter
    outputs = targets + torch.from_numpy(generator.normal(0, 0.5, (400, 2))).float()
    truth = sklearn.r2_score(targets.double().numpy(), outputs.double().numpy())
    measure = MEASURES["r2"].prepared(targets[:100])
    for size in (1, 7, 400):
        assert value(measure, outputs, targets, size) == pytest.approx(
            truth, abs=1e-6 if sums_in.itemsize > 4 else 1e-4
        )
    constant = torch.full_like(targets, mean)
    assert value(MEASURES["r2"].prepared(constant[:100]), constant, constant, 7) == 1
    assert value(MEASURES["r2"].prepared(constant[:100]), constant + 1, constant, 7) == 0


@pytest.mark.parametrize(("name", "kind"), [pair for pair in TRUTH if pair[0] != "torchmetrics"])
def test_sums_stay_on_the_device_and_counts_are_whole(name: str, kind: str) -> None:
    # On the meta device anything that reads a value raises.
    outputs, targets = samples(kind, 0, 8)
    sums = MEASURES[name].sums(outputs.to("meta"), {"targets": targets.to("meta")})
    assert sums and all(total.is_meta for total in sums.values())
    real = MEASURES[name].sums(outputs, {"targets": targets})
    assert {key: (each.dtype, each.shape) for key, each in sums.items()} == {
        key: (each.dtype, each.shape) for key, each in real.items()
    }
    assert {each.dtype for each in real.values()} <= {torch.int64, torch.float64}


def test_regression_of_one_number_a_sample_refuses_to_broadcast() -> None:
    assert value(MEASURES["mae"], torch.zeros(4), torch.ones(4)) == 1
    with pytest.raises(ValueError, match="differ in shape"):
        MEASURES["mae"].sums(torch.zeros(4, 1), {"targets": torch.zeros(4)})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "MulticlassAUROC"}, "keeps preds, target, which can't be added up; with thresholds="),
        (
            {"name": "MulticlassMathewsCorrCoef"},
            "has no metric MulticlassMathewsCorrCoef. Did you mean 'Multiclass",
        ),
        ({"name": "PearsonCorrCoef", "arguments": None}, "which can't be added up"),
        ({"arguments": {"classes": 4}}, "does not take metric.torchmetrics.arguments={'classes': 4}"),
    ],
)
def test_what_torchmetrics_can_not_do_is_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match="torchmetrics") as error:
        build(NODES["torchmetrics"] | settings)
    assert sentence in str(error.value)


# Each with its arguments, on answers whose scores all lie between 0 and 1, or some of them.
FIGURES: list[tuple[str, dict[str, Any], str]] = [
    ("MulticlassAUROC", {"num_classes": 4, "thresholds": 50}, "classes"),
    ("MulticlassHingeLoss", {"num_classes": 4}, "classes"),
    ("MulticlassExactMatch", {"num_classes": 4}, "classes"),
    ("BinaryAveragePrecision", {"thresholds": 50}, "classes"),
    ("MeanIoU", {"num_classes": 4}, "pixels"),
    ("MultilabelAccuracy", {"num_labels": 4}, "labels"),
    ("MultilabelRankingLoss", {"num_labels": 4}, "labels"),
]


@pytest.mark.parametrize(("name", "arguments", "kind"), FIGURES, ids=[name for name, *_ in FIGURES])
def test_torchmetrics_guesses_nothing_of_a_batch(name: str, arguments: dict[str, Any], kind: str) -> None:
    outputs, targets = samples("labels" if kind == "labels" else "classes", 0, 72)
    outputs = outputs / 8 + 0.5
    assert 0.5 < float(((outputs >= 0) & (outputs <= 1)).all(dim=1).double().mean()) < 1, "or nothing is to be guessed"
    if name.startswith("Binary"):
        outputs, targets = outputs[:, :2], targets % 2
    if kind == "pixels":
        outputs, targets = outputs.reshape(18, 4, 2, 2), targets.reshape(18, 2, 2)
    measure = Torchmetrics(name=name, arguments=arguments, of="classes" if kind == "pixels" else kind, unit="")
    found = [value(measure, outputs, targets, size) for size in (1, 7, 72)]
    assert found == pytest.approx([found[0]] * 3, abs=1e-6)
    if kind == "classes":
        some = torch.where(torch.arange(72) % 3 == 0, IGNORED, targets)
        left = value(measure, outputs[some >= 0], targets[some >= 0])
        assert [value(measure, outputs, some, size) for size in (1, 7, 72)] == pytest.approx([left] * 3, abs=1e-6)


def test_torchmetrics_of_whole_images_leaves_out_places_or_refuses() -> None:
    outputs, targets = samples("classes", 0, 72)
    outputs, targets = outputs.reshape(18, 4, 2, 2), outputs.reshape(18, 4, 2, 2).argmax(dim=1)
    targets[::2, 0] = (targets[::2, 0] + 1) % 4
    arguments = {"num_classes": 4}
    exact = Torchmetrics(name="MulticlassExactMatch", arguments=arguments, of="classes", unit="%")
    assert value(exact, outputs, targets, 5) == 0.5
    targets[::2, 0], targets[1] = IGNORED, IGNORED
    assert value(exact, outputs, targets, 5) == 1, "places that do not count, and an image of nothing else"
    with pytest.raises(UserError, match="MeanIoU can't leave out places"):
        value(Torchmetrics(name="MeanIoU", arguments=arguments, of="classes", unit="%"), outputs, targets)
    with pytest.raises(UserError, match="BinaryAUROC is of two classes, and here are 4"):
        value(Torchmetrics(name="BinaryAUROC", arguments={"thresholds": 9}, of="classes", unit="%"), outputs, targets)
    with pytest.raises(UserError, match="MulticlassConfusionMatrix gives several numbers"):
        value(Torchmetrics(name="MulticlassConfusionMatrix", arguments=arguments, of="classes", unit=""),
              outputs, targets)  # fmt: skip


def test_torchmetrics_of_values_and_labels_and_bins() -> None:
    outputs, targets = samples("values", 0)
    measure = Torchmetrics(name="MeanSquaredError", arguments=None, of="values", unit="")
    assert value(measure, outputs, targets, 33) == pytest.approx(TRUTH["mse", "values"](outputs, targets), rel=1e-5)
    assert measure.facts.higher_is_better is False
    outputs, targets = samples("labels", 0)
    measure = Torchmetrics(name="MultilabelF1Score", arguments={"num_labels": 4}, of="labels", unit="%")
    assert value(measure, outputs, targets, 33) == pytest.approx(TRUTH["macro_f1", "labels"](outputs, targets))
    outputs, targets = samples("classes", 0)
    arguments = {"num_classes": 4, "thresholds": 2000}
    measure = Torchmetrics(name="MulticlassAUROC", arguments=arguments, of="classes", unit="%")
    assert value(measure, outputs, targets, 33) == pytest.approx(TRUTH["auc", "classes"](outputs, targets), abs=2e-3)
