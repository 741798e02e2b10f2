"""Models: every YAML of conf/model builds on the meta device, takes a real step, and refuses what it can't take."""

import importlib
import inspect
import math
from typing import get_type_hints

import pytest
import torch
import yaml
from conftest import ROOT
from small import check_shapes, summary_of
from torch import nn

from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.config.schema import LATER_OF_MODELS
from dlexp.errors import UserError
from dlexp.models.parts import ACTIVATIONS, POOLS

CONF = ROOT / "conf"
FILES = sorted((CONF / "model").glob("*.yaml"))
RECIPES = sorted((CONF / "recipe").rglob("*.yaml"))
NAMES = [file.stem for file in FILES]
# These answer for each pixel or token, or with their inputs; tests/end_to_end/test_segmentation.py, test_language.py,
# test_autoencoding.py, test_rbm.py and test_stages.py train them.
OTHERS = ("unet", "transformer", "autoencoder", "conv_autoencoder", "pca", "rbm", "stacked_autoencoder")
CLASSIFIERS = [name for name in NAMES if name not in OTHERS]
FOR_ANY_SHAPE = {"linear", "mlp"}
ONLY_COLOUR = {"torchvision"}
SMALLER = {"alexnet": {"hidden": 32}}
SIZES = [(1, 28, 28), (3, 32, 32), (3, 17, 40), (2, 64, 64)]


def build(name, shape, num_outputs=10, **changes):
    values = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    values.pop("defaults", None)
    module, _, function = values.pop("_target_").rpartition(".")
    values |= {"shape": list(shape)} | ({"num_outputs": num_outputs} if "num_outputs" in values else {}) | changes
    return getattr(importlib.import_module(module), function)(**values)


def on_meta(name, shape, **changes):
    with torch.device("meta"):
        return build(name, shape, **changes)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def test_every_file_is_collected():
    assert len(FILES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_values_and_signature_name_the_same_keys(name):
    values = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    values.pop("defaults", None)
    module, _, function = values.pop("_target_").rpartition(".")
    signature = inspect.signature(getattr(importlib.import_module(module), function))
    assert set(values) == set(signature.parameters)
    assert all(parameter.default is parameter.empty for parameter in signature.parameters.values())
    called = getattr(importlib.import_module(module), function)
    hinted = called.__init__ if inspect.isclass(called) else called
    assert set(get_type_hints(hinted, include_extras=True)) >= set(values)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_builds_without_memory_and_sizes_itself(name, shape):
    if name in ONLY_COLOUR and shape[0] != 3:
        pytest.skip("takes 3 channels only")
    model = on_meta(name, shape, num_outputs=7)
    check_shapes(model, list(shape), 7, name)
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_takes_a_step_that_lowers_the_loss(name):
    model = build(name, (3, 16, 16), **SMALLER.get(name, {})).train()
    inputs, targets = torch.randn(8, 3, 16, 16), torch.arange(8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(4):
        torch.manual_seed(1)  # the same dropout every time
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_first_weights_follow_the_seed(name):
    def weights(seed):
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(build(name, (3, 32, 32), **SMALLER.get(name, {})).parameters())

    first = weights(0)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


@pytest.mark.parametrize("name", [n for n in CLASSIFIERS if n.startswith(("vgg", "resnet", "alexnet", "cnn"))])
def test_the_first_loss_is_that_of_a_guess(name):
    model = build(name, (3, 32, 32)).eval()
    with torch.no_grad():
        outputs = model(torch.randn(4, 3, 32, 32))
    assert nn.functional.cross_entropy(outputs, torch.arange(4)).item() == pytest.approx(math.log(10), abs=0.6)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_are_taken_or_refused_in_a_sentence(name):
    if name in FOR_ANY_SHAPE:
        check_shapes(on_meta(name, [2], num_outputs=3), [2], 3, name)
        return
    with pytest.raises(UserError, match=r"needs images .*but data has shape \[2\]; use model=mlp"):
        build(name, [2], num_outputs=3)


@pytest.mark.parametrize(("name", "shape"), [("cnn", (1, 3, 3)), ("vgg16", (3, 16, 16))])
def test_too_small_images_are_a_sentence(name, shape):
    with pytest.raises(UserError, match=r"needs images of at least \d+×\d+ pixels"):
        build(name, shape, **({"head": 2048} if name == "vgg16" else {}))


# Multiply-adds of weights, counted by hand from the papers' tables for 3×32×32 and 10 classes.
@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("linear", 30_730, 30_720),
        ("lenet", 62_006, 651_720),
        ("vgg11", 9_228_362, 152_769_536),
        ("vgg16", 14_724_042, 313_201_664),
        ("vgg19", 20_035_018, 398_136_320),
        ("resnet18", 11_173_962, 555_422_720),
        ("resnet34", 21_282_122, 1_159_402_496),
        ("googlenet", 5_871_914, 1_447_241_728),
    ],
)
def test_sizes_are_those_of_the_papers(name, parameters, multiply_adds):
    summary = summary_of(on_meta(name, (3, 32, 32)), [3, 32, 32])
    assert (summary["parameters"], summary["flops"]) == (parameters, 2 * multiply_adds)


def test_a_vgg_has_as_many_weighted_layers_as_its_name_says_less_two():
    """One linear layer stands for the paper's three."""
    for depth in (11, 13, 16, 19):
        model = on_meta(f"vgg{depth}", (3, 32, 32))
        assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules()) == depth - 2


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 64, 64), (3, 17, 17)], ids=str)
def test_both_heads_of_vgg_have_the_inputs_they_are_named_after(shape):
    for head in (512, 2048):
        model = on_meta("vgg11", shape, head=head)
        check_shapes(model, list(shape), 10, "vgg11")
        assert model.output.in_features == head
        assert hasattr(model, "pool5") == (head == 512)
        assert hasattr(model, "mean") == (shape[1] == 64), "32×32 needs no averaging"


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("vgg16", {"depth": 12}, "model.depth=12 is not a VGG; there are 11, 13, 16, 19"),
        ("vgg16", {"head": 1024}, "model.head=1024 is not possible"),
        ("resnet18", {"depth": 20}, "model.depth=20 is not possible; there are 18, 34"),
        ("cnn", {"widths": []}, "at least one stage"),
        ("cnn", {"kernel": 4}, "model.kernel=4 must be odd"),
        ("mlp", {"depth": 2, "width": [8, 9], "residual": True}, "two hidden layers in a row of one width"),
        ("cnn", {"widths": [8, 0]}, "each ≥ 1"),
        ("mlp", {"depth": 2, "width": [8, 9, 8]}, "each of model.depth=2 layers"),
        ("mlp", {"depth": 2, "width": [8, 0]}, "from 1 to"),
        ("whitened", {"widths": []}, "at least one group"),
    ],
)
def test_impossible_values_are_sentences(name, changes, sentence):
    with pytest.raises(UserError) as caught:
        build(name, (3, 32, 32), **changes)
    assert sentence in str(caught.value)


def kinds(model):
    return [type(module).__name__ for module in model.modules() if not list(module.children())]


CONVOLUTIONAL = ["cnn", "alexnet", "vgg11", "course_vgg"]


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_activation_pool_and_batch_norm_are_settings(name):
    plain, other = (
        kinds(on_meta(name, (3, 32, 32))),
        kinds(on_meta(name, (3, 32, 32), activation="tanh", pool="average", batch_norm=False, dropout=0.0)),
    )
    assert {"ReLU", "MaxPool2d", "BatchNorm2d"} <= set(plain)
    assert not {"ReLU", "MaxPool2d", "BatchNorm2d", "Dropout"} & set(other)
    assert (other.count("Tanh"), other.count("AvgPool2d")) == (plain.count("ReLU"), plain.count("MaxPool2d"))


def test_cnn_keeps_the_size_of_the_image_whatever_the_kernel():
    model = build("cnn", (1, 9, 12), widths=[2], kernel=5, batch_norm=False)
    assert model.conv1_1.kernel_size == (5, 5) and model.conv1_1.bias is not None
    assert model.conv1_1(torch.zeros(1, 1, 9, 12)).shape == (1, 2, 9, 12)


def test_resnet_and_lenet_take_dropout_and_activation():
    resnet = on_meta("resnet18", (3, 32, 32), activation="elu", dropout=0.2)
    assert kinds(resnet).count("ELU") == 17 and resnet.dropout.p == 0.2
    assert kinds(on_meta("lenet", (1, 28, 28), dropout=0.3)).count("Dropout") == 2


def test_without_batch_norm_a_block_of_resnet_begins_as_the_identity():
    model = build("resnet18", (3, 16, 16), batch_norm=False)
    assert "BatchNorm2d" not in kinds(model) and model.conv1.bias is not None
    hidden = torch.rand(2, 64, 8, 8)
    assert torch.equal(model.stage1.block1(hidden), hidden)
    assert model(torch.rand(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "layers", "smaller"),
    [
        ("tiny_cnn", {"BatchNorm2d": 2, "BatchNorm1d": 1, "Tanh": 3, "Dropout": 1}, {"pool": "average"}),
        ("autoencoder", {"BatchNorm1d": 4, "Tanh": 4, "Dropout": 4}, {"width": 6, "code": 3}),
        ("conv_autoencoder", {"BatchNorm2d": 4, "Tanh": 4, "Dropout2d": 4}, {"widths": [4, 5], "code": 3}),
        ("unet", {"BatchNorm2d": 10, "Tanh": 10, "Dropout": 1}, {"pool": "average"}),
    ],
)
def test_batch_norm_dropout_and_activation_where_a_model_had_none(name, layers, smaller):
    model = build(name, (1, 28, 28), **smaller, batch_norm=True, activation="tanh", dropout=0.5).train()
    counted = {kind: kinds(model).count(kind) for kind in ("GELU", "MaxPool2d", *layers)}
    assert counted == {"GELU": 0, "MaxPool2d": 0, **layers}
    images = torch.rand(8, 1, 28, 28)
    outputs = model(images)
    assert outputs.shape == {"tiny_cnn": (8, 10), "unet": (8, 10, 28, 28)}.get(name, images.shape)
    assert not torch.equal(outputs, model(images)), "dropout draws anew"
    outputs.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert torch.equal(model.eval()(images), model(images))
    assert not {"BatchNorm1d", "BatchNorm2d"} & set(kinds(build(name, (1, 28, 28), **smaller, batch_norm=False)))


def test_unet_drops_where_the_image_is_smallest():
    model, seen = build("unet", (1, 16, 16), dropout=0.5), []
    model.dropout.register_forward_hook(lambda module, inputs, outputs: seen.append(list(inputs[0].shape)))
    model(torch.rand(2, 1, 16, 16))
    assert seen == [[2, 64, 4, 4]]


@pytest.mark.parametrize(("name", "changes"), [("googlenet", {"auxiliary": True}), ("unet", {})])
def test_an_activation_is_everywhere_or_nowhere(name, changes):
    plain, other = (kinds(on_meta(name, (3, 32, 32), activation=each, **changes)) for each in ("relu", "elu"))
    assert plain.count("ReLU") == other.count("ELU") > 9 and "ReLU" not in other


def test_an_average_is_of_what_lies_in_the_map():
    assert torch.equal(POOLS["average"](3, stride=2, padding=1)(torch.ones(1, 1, 8, 8)), torch.ones(1, 1, 4, 4))


def test_googlenet_without_batch_norm_and_with_averages():
    plain, other = (kinds(on_meta("googlenet", (3, 32, 32), **each)) for each in ({}, {"pool": "average"}))
    assert plain.count("MaxPool2d") == other.count("AvgPool2d") == 10 and "MaxPool2d" not in other
    model = build("googlenet", (3, 16, 16), batch_norm=False)
    assert "BatchNorm2d" in plain and "BatchNorm2d" not in kinds(model) and model.stem.conv1.conv.bias is not None
    assert model(torch.rand(2, 3, 16, 16)).shape == (2, 10)


def test_the_course_has_vgg11_and_the_lenet_of_its_time():
    assert kinds(on_meta("course_vgg", (3, 32, 32))) == kinds(on_meta("vgg11", (3, 32, 32)))
    assert {"Sigmoid", "AvgPool2d"} <= set(kinds(on_meta("course_lenet", (3, 32, 32))))


def test_local_normalisation_is_that_of_the_paper():
    model = build("alexnet", (3, 32, 32), hidden=8, local_norm=True)
    assert [name for name, _ in model.named_children() if "local" in name] == ["local_norm1", "local_norm2"]
    maps = 30 * torch.rand(1, 9, 2, 2)
    squares = torch.stack([maps[:, max(0, i - 2) : i + 3].square().sum(dim=1) for i in range(9)], dim=1)
    assert torch.allclose(model.local_norm1(maps), maps / (2 + 1e-4 * squares) ** 0.75, rtol=1e-5)


def test_a_residual_mlp_adds_what_is_as_wide():
    model = build("mlp", (3,), depth=3, width=[4, 4, 5], residual=True)
    x = torch.rand(2, 3)
    first = model.activation1(model.linear1(x))
    second = first + torch.relu(model.residual2.linear2(first))
    assert torch.equal(model(x), model.output(torch.relu(model.linear3(second))))


@pytest.mark.parametrize("target", LATER_OF_MODELS)
def test_a_setting_that_came_later_changes_no_experiment_at_what_was_before(target):
    names = [file.stem for file in FILES if f"_target_: {target}\n" in file.read_text(encoding="utf-8")]
    config = compose([f"model={names[0]}", "data=cifar10"]).config
    assert config["model"].items() >= LATER_OF_MODELS[target].items() and names
    older = {key: value for key, value in config["model"].items() if key not in LATER_OF_MODELS[target]}
    assert cell(config) == cell({**config, "model": older})
    for key in LATER_OF_MODELS[target]:
        assert cell({**config, "model": {**config["model"], key: "another"}}) != cell(config)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_has_the_layers_asked_for(activation):
    model = build("mlp", (1, 4, 4), depth=3, width=5, activation=activation, dropout=0.5, batch_norm=True)
    assert [name for name, _ in model.named_children()] == ["flatten"] + [
        f"{layer}{number}" for number in (1, 2, 3) for layer in ("linear", "norm", "activation", "dropout")
    ] + ["output"]
    assert isinstance(model.activation2, ACTIVATIONS[activation])
    assert (model.linear1.in_features, model.linear3.in_features, model.output.in_features) == (16, 5, 5)


def test_mlp_takes_the_width_of_each_layer():
    model = build("mlp", (1, 4, 4), depth=3, width=[5, 6, 7])
    assert [layer.out_features for layer in model if isinstance(layer, nn.Linear)] == [5, 6, 7, 10]


def test_mlp_of_depth_0_is_linear():
    model = build("mlp", (1, 4, 4), depth=0)
    assert [type(module).__name__ for module in model] == ["Flatten", "Linear"]


@pytest.mark.parametrize("changes", [{"activation": "tanh", "pool": "average"}, {"batch_norm": True}], ids=str)
def test_lenet_in_other_forms(changes):
    check_shapes(on_meta("lenet", (1, 28, 28), **changes), [1, 28, 28], 10, "lenet")


def test_a_28_pixel_image_reaches_lenets_first_linear_layer_in_the_papers_size():
    assert on_meta("lenet", (1, 28, 28)).linear3.in_features == on_meta("lenet", (1, 32, 32)).linear3.in_features == 400


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "vgg16"])
def test_large_images_work_too(name):
    changes = {"stem": "large"} if name == "resnet18" else {}
    model = on_meta(name, (3, 224, 224), num_outputs=1000, **changes)
    check_shapes(model, [3, 224, 224], 1000, name)


def test_every_recipe_is_collected():
    assert len(RECIPES) >= 27


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_recipe_says_its_values_for_every_optimizer(file):
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert file.read_text(encoding="utf-8").startswith("# @package _global_\n# ")
    if "defaults" in values:  # it takes all of its values from another
        other = values["defaults"][0].removeprefix("/recipe/")
        values = yaml.safe_load((CONF / "recipe" / f"{other}.yaml").read_text(encoding="utf-8"))
        if "defaults" in values:
            other = values["defaults"][0].removeprefix("/recipe/")
            values = yaml.safe_load((CONF / "recipe" / f"{other}.yaml").read_text(encoding="utf-8"))
    optimizers = {file.stem for file in (CONF / "optimizer").glob("*.yaml")}
    assert {"sgd", "adam", "adamw", "rmsprop", "adagrad"} <= optimizers
    assert values["epochs"] >= 1 and values["batch_size"] >= 1
    for rates in values["recipe"].values():
        assert set(rates) <= optimizers
    assert len(values["recipe"]["lr"]) >= 5
    assert all(isinstance(rate, float) and 0 < rate <= 1 for rate in values["recipe"]["lr"].values())
    assert file.parent.name in NAMES


def test_whitened_patches_are_uncorrelated_and_of_equal_variance():
    torch.manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(200, 3, 14, 14), 3, stride=1)
    model = build("whitened", (3, 12, 12), widths=[8, 8])
    model.init_from_data(smooth)
    with torch.no_grad():
        model.whiten.bias.zero_()
        outputs = model.whiten(smooth)
    half = outputs.shape[1] // 2
    assert torch.equal(model.whiten.weight[:half], -model.whiten.weight[half:])
    values = outputs[:, :half].transpose(0, 1).flatten(1)
    covariance = (values @ values.T / values.shape[1]).numpy()
    assert covariance == pytest.approx(torch.diag(torch.tensor(covariance).diagonal()).numpy(), abs=1e-3)
    # Directions of small variance stay smaller, since something is added to the eigenvalues.
    assert 0.9 < covariance.diagonal().min() and covariance.diagonal().max() < 1.001
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "whiten.weight" not in trained and "whiten.bias" in trained and "groups.0.norms.0.weight" not in trained


def test_whitened_passes_channels_on_and_has_shortcuts_with_three_convolutions():
    model = build("whitened", (3, 32, 32), convolutions=3, widths=[32, 64])
    filters = model.groups[1].convs[0].weight
    assert torch.equal(filters[:32, :, 1, 1], torch.eye(32)) and filters[:32].sum() == 32
    with torch.no_grad():
        for layer in model.groups[0].convs[1:]:
            layer.weight.zero_()
    model.eval()
    x = torch.randn(1, 24, 9, 9)
    start = nn.functional.gelu(model.groups[0].norms[0](nn.functional.max_pool2d(model.groups[0].convs[0](x), 2)))
    torch.testing.assert_close(model.groups[0](x), nn.functional.gelu(start))
