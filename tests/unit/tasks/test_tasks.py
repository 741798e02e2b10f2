"""Tasks and criteria: their numbers against torch's, and the combinations they refuse."""

from typing import Any, ClassVar

import pytest
import torch
import yaml
from conftest import ROOT
from torch import Tensor, nn

from dlexp.batch import IGNORED
from dlexp.criteria.cross_entropy import CrossEntropy
from dlexp.criteria.dice import Dice
from dlexp.criteria.hinge import Hinge
from dlexp.criteria.mse import MeanSquaredError
from dlexp.criteria.nll import NLL
from dlexp.criteria.perceptron import Perceptron
from dlexp.data.splits import Split
from dlexp.errors import UserError
from dlexp.metric import Metric
from dlexp.metrics.classes import Accuracy
from dlexp.tasks.classification import Classification, confusion
from dlexp.tasks.regression import Regression
from dlexp.tasks.segmentation import Segmentation

CONF = ROOT / "conf"


def _classification(num_outputs: int = 3) -> Classification:
    found = Classification(class_names=None, num_outputs=num_outputs, targets="classes", ignore_index=None)
    found.criterion = nn.CrossEntropyLoss()
    return found


def _regression() -> Regression:
    return Regression(targets="values")


def _last_look(task: Classification, outputs: Tensor, targets: list[int]) -> dict[str, float]:
    found = task.last_look(outputs, Split(torch.zeros(len(targets), 1), torch.tensor(targets)))
    return {name: round(value, 4) for name, (value, _) in found.items()}


def test_what_accuracy_alone_hides_is_measured_at_the_end() -> None:
    always_first = torch.tensor([[1.0, 0]]).repeat(100, 1)
    assert _last_look(_classification(2), always_first, [0] * 80 + [1] * 20) == {"balanced_accuracy": 0.5, "auc": 0.5}
    assert _last_look(_classification(2), always_first, [0, 1] * 50) == {"auc": 0.5}
    assert _last_look(_classification(2), always_first, [0] * 100) == {"balanced_accuracy": 1.0}
    assert _last_look(_classification(3), torch.zeros(6, 3), [0, 1, 2] * 2) == {}
    order = torch.arange(42.0, 0, -1).repeat(42, 1)[:, :21]
    assert _last_look(_classification(21), order, [*range(21)] * 2) == {"top5": 0.2381}  # 5 of 21
    assert _last_look(_classification(20), order[:, :20], [*range(20)] * 2 + [0, 1]) == {}


def test_nothing_more_is_measured_where_a_person_says_what() -> None:
    class Own(Classification):
        metrics: ClassVar = {"error": Metric("%", higher_is_better=False)}

    chosen = _classification(2)
    chosen.chosen = {"accuracy": Accuracy()}
    for task in (chosen, Own(class_names=None, num_outputs=2, targets="classes", ignore_index=None)):
        assert _last_look(task, torch.zeros(100, 2), [0] * 80 + [1] * 20) == {}


def test_accuracy_counts_right_answers() -> None:
    task = _classification()
    outputs = torch.tensor([[3.0, 1, 0], [0, 1, 2], [0, 5, 1], [1, 0, 0]])
    sums = task.measure(outputs, {"targets": torch.tensor([0, 2, 2, 0])})
    assert {name: value.item() for name, value in sums.items()} == {"accuracy": 3}
    assert all(total.shape == () and total.dtype == torch.int64 for total in sums.values())
    assert task.conclude(sums, 4) == {"accuracy": 0.75}
    assert task.chance == {"accuracy": pytest.approx(1 / 3)}
    assert task.metric == "accuracy" and task.metrics["accuracy"] == Metric(unit="%", higher_is_better=True)


def test_accuracy_of_probabilities_is_what_they_give_the_answers() -> None:
    task = _classification()
    outputs = torch.tensor([[3.0, 1, 0], [0, 1, 2], [0, 5, 1]])
    targets = torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0.5, 0.5, 0]])
    assert task.measure(outputs, {"targets": targets})["accuracy"].item() == 0.75 + 0 + 0.5
    classes = torch.tensor([0, 2, 2])
    certain = nn.functional.one_hot(classes, 3).float()
    found, expected = (task.measure(outputs, {"targets": each})["accuracy"] for each in (certain, classes))
    assert found == expected


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_takes_probabilities(label_smoothing: float) -> None:
    criterion = CrossEntropy(label_smoothing=label_smoothing, weight=None)
    outputs, classes, others = torch.randn(8, 5), torch.randint(0, 5, (8,)), torch.randint(0, 5, (8,))
    one_hot, other = (nn.functional.one_hot(each, 5).float() for each in (classes, others))
    torch.testing.assert_close(criterion(outputs, one_hot), criterion(outputs, classes))
    both = 0.7 * criterion(outputs, classes) + 0.3 * criterion(outputs, others)
    torch.testing.assert_close(criterion(outputs, 0.7 * one_hot + 0.3 * other), both)
    assert criterion(outputs.bfloat16(), one_hot).dtype == torch.float32


def test_absolute_errors_are_averaged_over_outputs() -> None:
    outputs, targets = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 7.0]])
    sums = _regression().measure(outputs, {"targets": targets})
    assert _regression().conclude(sums, 2) == {"mae": 1.0}
    with pytest.raises(ValueError, match="differ in shape"):
        _regression().measure(torch.zeros(4, 1), {"targets": torch.zeros(4)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_never_wait_for_the_device(dtype: torch.dtype) -> None:
    # On the meta device anything that reads a value raises.
    outputs = torch.zeros(8, 3, dtype=dtype, device="meta")
    classes = torch.zeros(8, dtype=torch.int64, device="meta")
    assert _classification().measure(outputs, {"targets": classes})["accuracy"].is_meta
    assert _regression().measure(outputs, {"targets": outputs})["mae/errors"].is_meta
    for criterion in (
        CrossEntropy(label_smoothing=0.1, weight=None),
        NLL(),
        Hinge(margin=1.0, p=1),
        Dice(cross_entropy=1),
    ):
        assert criterion(outputs, classes).is_meta
    pixels, masks = (torch.zeros(*shape, device="meta") for shape in ((8, 3, 4, 4), (8, 4, 4)))
    assert all(total.is_meta for total in _segmentation().measure(pixels, {"targets": masks.long()}).values())
    assert _classification().measure(outputs, {"targets": outputs})["accuracy"].is_meta
    assert CrossEntropy(label_smoothing=0.1, weight=None)(outputs, outputs.float()).is_meta


def test_the_summary_of_classes() -> None:
    task = Classification(class_names=["cat", "dog", "bird"], num_outputs=3, targets="classes", ignore_index=None)
    outputs = torch.eye(3)[torch.tensor([0, 1, 1, 1])]
    targets = torch.tensor([0, 0, 1, 1])
    assert task.summary(outputs, Split(outputs, targets)) == {
        "per_class_accuracy": {"cat": 0.5, "dog": 1.0, "bird": None}
    }
    assert confusion(outputs, targets).tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_the_summary_of_numbers() -> None:
    targets = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
    summary = _regression().summary(targets + torch.tensor([[0.5, 1.0]]), Split(targets, targets))
    assert summary == {"mae": [0.5, 1.0], "r2": [0.75, None]}


def test_as_many_names_as_classes() -> None:
    with pytest.raises(UserError, match="lists 2 names but data.num_outputs is 3"):
        Classification(class_names=["a", "b"], num_outputs=3, targets="classes", ignore_index=None)


def _figures(task: Any, split: Split, outputs: Tensor) -> set[str]:
    return set(task.figures(outputs, split, lambda batch: torch.zeros(len(batch["inputs"]), 3)))


def test_each_kind_of_data_has_its_pictures() -> None:
    targets = torch.randint(0, 3, (20,))
    outputs, common = torch.randn(20, 3), {"per_class_accuracy", "confusion_matrix"}
    images = torch.randint(0, 256, (20, 1, 6, 6), dtype=torch.uint8)
    assert _figures(_classification(), Split(images, targets), outputs) == common | {"mistakes"}
    assert _figures(_classification(), Split(torch.randn(20, 2), targets), outputs) == common | {"decision_regions"}
    assert _figures(_classification(), Split(torch.randn(20, 5), targets), outputs) == common
    two = _classification(2)
    found = two.figures(outputs[:, :2], Split(torch.randn(20, 2), targets % 2), lambda batch: batch["inputs"])
    assert set(found) == common | {"decision_regions", "output_plane"}
    task = _classification()
    task.feature_names = ["length", "width"]
    points = Split(torch.randn(20, 2), targets)
    shown = task.figures(outputs, points, lambda batch: torch.zeros(len(batch["inputs"]), 3))
    axes = shown["decision_regions"].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("length", "width")
    assert _figures(_classification(), Split(torch.randn(20, 1), targets), outputs) == common | {"class_shares"}
    task.criterion = Hinge(margin=1.0, p=1)  # whose outputs are no shares
    assert _figures(task, Split(torch.randn(20, 1), targets), outputs) == common | {"class_scores"}
    truth = torch.randn(20, 3)
    curve = {"prediction_against_truth", "fitted_curve"}
    assert _figures(_regression(), Split(torch.randn(20, 1), truth), outputs) == curve
    assert _figures(_regression(), Split(torch.randn(20, 2), truth), outputs) == {"prediction_against_truth"}


def test_a_linear_model_tells_its_coefficients() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, -3.4]]))
        layer.bias.fill_(4.2)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), layer).train()
    task = _regression()
    assert task.coefficients(model) == {"w": pytest.approx([2.0, -3.4]), "b": pytest.approx(4.2)}
    assert model.training
    # A model on normalised features, told of in the features as they came.
    inputs, mean, std = torch.randn(50, 2) * 3 + 7, [7.0, 6.0], [3.0, 2.0]
    found = task.coefficients(model, mean, std)
    assert found is not None
    outputs = layer((inputs - torch.tensor(mean)) / torch.tensor(std)).flatten()
    assert torch.allclose(inputs @ torch.tensor(found["w"]) + found["b"], outputs, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(2, 1), nn.ReLU()),
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)),
        nn.Linear(17, 1),
        nn.Linear(2, 2),
        nn.Conv2d(1, 1, 3),
    ],
)
def test_other_models_have_no_coefficients(model: nn.Module) -> None:
    assert _regression().coefficients(model) is None
    assert _classification().coefficients(model) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_criteria_are_those_of_torch(dtype: torch.dtype) -> None:
    outputs, targets = torch.randn(16, 5, dtype=dtype), torch.randint(0, 5, (16,))
    same = [
        (CrossEntropy(label_smoothing=0.1, weight=None), nn.CrossEntropyLoss(label_smoothing=0.1)),
        (NLL(), nn.CrossEntropyLoss()),
        (Hinge(margin=0.7, p=1), nn.MultiMarginLoss(margin=0.7, p=1)),
        (Hinge(margin=1.0, p=2), nn.MultiMarginLoss(margin=1.0, p=2)),
    ]
    for ours, theirs in same:
        first, second = (outputs.clone().requires_grad_() for _ in range(2))
        ours(first, targets).backward()
        theirs(second, targets).backward()
        assert torch.allclose(ours(first, targets), theirs(second, targets))
        assert first.grad is not None and second.grad is not None and torch.allclose(first.grad, second.grad)
    assert torch.allclose(MeanSquaredError()(outputs, outputs + 2), torch.tensor(4.0, dtype=dtype))


@pytest.mark.parametrize(
    "criterion", [CrossEntropy(label_smoothing=0.0, weight=None), NLL(), Hinge(margin=1.0, p=1), MeanSquaredError()]
)
def test_half_precision_outputs_give_a_float32_loss(criterion: nn.Module) -> None:
    outputs = torch.randn(4, 3).bfloat16().requires_grad_()
    targets: Tensor = torch.randn(4, 3) if isinstance(criterion, MeanSquaredError) else torch.tensor([0, 1, 2, 0])
    loss = criterion(outputs, targets)
    loss.backward()
    assert loss.dtype == torch.float32


# N×1 values and N classes, with as many classes as samples too: the cases torch lets pass.
WRONG = [
    (CrossEntropy(label_smoothing=0.0, weight=None), torch.zeros(4, 1), torch.zeros(4, 1)),
    (CrossEntropy(label_smoothing=0.0, weight=None), torch.zeros(4, 3), torch.zeros(4, 3)),
    (CrossEntropy(label_smoothing=0.0, weight=None), torch.zeros(4, 3), torch.full((4, 2), 0.5)),
    (NLL(), torch.zeros(4, 2), torch.full((4, 2), 0.5)),
    (Hinge(margin=1.0, p=1), torch.zeros(4, 2), torch.full((4, 2), 0.5)),
    (NLL(), torch.zeros(4, 1), torch.zeros(4, 1)),
    (Hinge(margin=1.0, p=1), torch.zeros(4, 1), torch.zeros(4, 1)),
    (MeanSquaredError(), torch.zeros(4, 3), torch.zeros(3, dtype=torch.int64)),
    (MeanSquaredError(), torch.zeros(4, 1), torch.zeros(4)),
    (Perceptron(), torch.zeros(4, 1), torch.zeros(4, 1)),
]


@pytest.mark.parametrize(("criterion", "outputs", "targets"), WRONG)
def test_a_criterion_of_another_task_is_a_sentence(criterion: nn.Module, outputs: Tensor, targets: Tensor) -> None:
    with pytest.raises(UserError, match=r"It belongs to task=(classification|regression)"):
        criterion(outputs, targets)


@pytest.mark.parametrize(("group", "names"), [("task", 2), ("criterion", 4)])
def test_every_yaml_names_something_that_takes_its_keys(group: str, names: int) -> None:
    import importlib
    import inspect

    files = sorted((CONF / group).glob("*.yaml"))
    assert len(files) >= names
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith("# "), f"{file.name} does not say what it is for"
        node = yaml.safe_load(text)
        node.pop("defaults", None)
        if group == "criterion":
            node.pop("outputs", None)  # the engine's
        module, _, name = node.pop("_target_").rpartition(".")
        inspect.signature(getattr(importlib.import_module(module), name)).bind(**node)


def _segmentation(**settings: Any) -> Segmentation:
    return Segmentation(**{"class_names": None, "num_outputs": 3, "targets": "mask", "ignore_index": 255} | settings)


def test_segmentation_counts_pixels_that_count() -> None:
    truth = torch.tensor([[[0, 0, 1], [1, 255, 255]], [[2, 2, 2], [2, 2, 2]]])
    answers = torch.tensor([[[0, 1, 1], [1, 2, 0]], [[2, 2, 2], [2, 2, 0]]])
    outputs, batch = nn.functional.one_hot(answers, 3).movedim(-1, 1).float(), {"targets": truth}
    task = _segmentation()
    found = task.conclude(task.measure(outputs, batch), 2)
    assert found == {"iou": pytest.approx((1 / 3 + 2 / 3 + 5 / 6) / 3), "pixel_accuracy": pytest.approx(8 / 10)}
    assert task.weight(outputs, batch) == 10
    task.criterion = CrossEntropy(label_smoothing=0.0, weight=None)
    kept = truth != 255
    expected = nn.functional.cross_entropy(outputs.movedim(1, -1)[kept], truth[kept])
    torch.testing.assert_close(task.loss(outputs, batch), expected)
    assert task.misfit(outputs[:, :, :1], batch) == "outputs of shape N×3×1×3, but data.num_outputs=3 asks for N×3×2×3"
    assert task.misfit(outputs, batch) is None


def test_a_batch_of_which_nothing_counts_has_no_loss() -> None:
    task, outputs = _segmentation(), torch.randn(2, 3, 2, 2, requires_grad=True)
    for criterion in (CrossEntropy(label_smoothing=0.1, weight=[1.0, 2.0, 3.0]), Dice(cross_entropy=1.0)):
        task.criterion = criterion
        loss = task.loss(outputs, {"targets": torch.full((2, 2, 2), 255)})
        loss.backward()
        assert loss.item() in (0.0, 1.0) and outputs.grad is not None and not outputs.grad.any()


def test_class_weights_are_those_of_torch_for_pixels_too() -> None:
    outputs, targets = torch.randn(4, 3, 5), torch.randint(0, 3, (4, 5))
    targets[0, :2] = IGNORED
    for smoothing in (0.0, 0.1):
        ours = CrossEntropy(label_smoothing=smoothing, weight=[1, 2, 0.5])
        theirs = nn.CrossEntropyLoss(weight=torch.tensor([1, 2, 0.5]), label_smoothing=smoothing)
        torch.testing.assert_close(ours(outputs, targets), theirs(outputs, targets))
        torch.testing.assert_close(ours(outputs[..., 3], targets[:, 3]), theirs(outputs[..., 3], targets[:, 3]))
    assert not ours.state_dict(), "a setting is no state"


def test_the_dice_loss_by_hand() -> None:
    outputs, targets = torch.randn(2, 3, 4, 4), torch.randint(0, 2, (2, 4, 4))  # of the third class there is none
    p, y = outputs.softmax(dim=1), nn.functional.one_hot(targets, 3).movedim(-1, 1)
    shares = [2 * (p * y)[:, c].sum() / ((p**2)[:, c].sum() + y[:, c].sum()) for c in (0, 1)]
    torch.testing.assert_close(Dice(cross_entropy=0.0)(outputs, targets), 1 - sum(shares) / 2)
    both = Dice(cross_entropy=0.5)(outputs, targets)
    torch.testing.assert_close(both, 1 - sum(shares) / 2 + 0.5 * nn.functional.cross_entropy(outputs, targets))
    right = 100.0 * y
    assert float(Dice(cross_entropy=0.0)(right, targets)) == pytest.approx(0, abs=1e-6)


def test_the_picture_of_masks() -> None:
    images, masks = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8), torch.randint(0, 3, (3, 8, 8))
    masks[0, 0] = 255
    for colour in (images, images.expand(-1, 3, -1, -1)):
        found = _segmentation().figures(None, Split(colour, masks), lambda batch: torch.randn(3, 3, 8, 8))
        assert set(found) == {"segmentation"}
