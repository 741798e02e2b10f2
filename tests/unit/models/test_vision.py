"""torchvision through its one door: late, by name, with weights, and beside a torch it was not built for."""

import copy
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from dlexp.errors import UserError
from dlexp.models import vision
from dlexp.models.auxiliary import Auxiliary
from dlexp.models.torchvision import torchvision

SHAPE = [3, 64, 64]
# A net of seven classes, as conf/model/torchvision.yaml has it.
VALUES = {"shape": SHAPE, "num_outputs": 7, "name": "resnet18", "weights": None, "auxiliary": False}
VALUES |= {"auxiliary_weight": 0.3}


class Published:
    """Stands for torchvision's entry of published weights."""

    url = "https://weights.example/resnet18-0123.pth"

    def __init__(self, state):
        self.state = state

    def get_state_dict(self, progress, check_hash):
        assert check_hash
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def __str__(self):
        return "ResNet18_Weights.TEST"


def test_there_are_classifiers_and_no_detectors():
    names = vision.classifiers()
    assert {"resnet18", "vgg16_bn", "mobilenet_v2", "vit_b_16"} <= set(names)
    assert not any("rcnn" in name or "segment" in name for name in names)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "googlenet"])
def test_a_classifier_has_as_many_outputs_as_the_data(name):
    with torch.device("meta"):
        model = torchvision(**VALUES | {"name": name}).train()
    output = model(torch.empty(2, *SHAPE, device="meta"))
    assert output.shape == (2, 7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "resnet81"}, r"no classifier 'resnet81' \(model.name\). Did you mean 'resnet18'\?"),
        ({"weights": "IMAGENET1K_V9"}, r"no weights 'IMAGENET1K_V9' \(model.weights\). Did you mean 'IMAGENET1K_V1'\?"),
        ({"shape": [1, 28, 28]}, r"takes images of 3 channels, but data has shape \[1, 28, 28\]"),
        ({"shape": [2]}, r"model torchvision resnet18 needs images"),
        ({"auxiliary": True}, r"torchvision's resnet18 has no auxiliary heads; googlenet and inception_v3 have"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        torchvision(**VALUES | changes)


@pytest.mark.parametrize(("name", "side", "heads"), [("googlenet", 64, 2), ("inception_v3", 299, 1)])
def test_auxiliary_heads_are_learnt_besides(name, side, heads):
    with torch.device("meta"):
        model = torchvision(**VALUES | {"name": name, "auxiliary": True})
    images = torch.empty(2, 3, side, side, device="meta")
    outputs = copy.deepcopy(model).train()(images)  # as averaged weights are
    assert isinstance(outputs, Auxiliary) and outputs.weights == (0.3,) * heads
    assert [each.shape for each in (outputs.outputs, *outputs.others)] == [(2, 7)] * (1 + heads)
    assert model.eval()(images).shape == (2, 7)


def test_published_weights_fill_all_but_a_head_of_another_size(monkeypatch):
    torch.manual_seed(0)
    state = vision.classifier("resnet18", 1000).state_dict()
    monkeypatch.setattr(vision, "published_weights", lambda name, weights: Published(state))
    model = torchvision(**VALUES | {"weights": "DEFAULT"})
    assert model.fc.out_features == 7
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items() if not key.startswith("fc."))


def test_the_look_at_shapes_downloads_nothing(monkeypatch):
    monkeypatch.setattr(vision, "fetch", lambda published: pytest.fail("downloaded"))
    with torch.device("meta"):
        torchvision(**VALUES | {"weights": "DEFAULT"})


@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("invalid hash value")], ids=str)
def test_weights_that_do_not_come_are_a_sentence(monkeypatch, error):
    monkeypatch.setattr(vision, "published_weights", lambda name, weights: Published(error))
    with pytest.raises(
        UserError, match=r"ResNet18_Weights.TEST could not be fetched .*model.weights=null, or download"
    ):
        torchvision(**VALUES | {"weights": "DEFAULT"})


def test_a_missing_torchvision_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match="torchvision can't be imported .*pip install torchvision"):
        vision.import_torchvision.__wrapped__()


# Compiled operations that do not load look the same whatever the reason; here torch is told to load no library.
WITHOUT_OPERATIONS = """
import torch
def refuse(path): raise OSError("built for another torch")
torch.ops.load_library = refuse
try:
    import torchvision
    print("imports anyway")
except RuntimeError as error:
    print(error)
    import sys
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
from dlexp.models import vision
model = vision.classifier("resnet18", 4)
print(tuple(model(torch.zeros(2, 3, 32, 32)).shape))
"""


@pytest.mark.slow
def test_works_beside_a_torch_its_operations_do_not_fit():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_OPERATIONS],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(2, 4)"
    assert "operator torchvision::nms does not exist" in done.stdout or "imports anyway" in done.stdout
