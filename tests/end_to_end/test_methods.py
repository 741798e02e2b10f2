"""Methods: each trains, resumes to the bit from anywhere, is swept and loaded; and what each of them does."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import COMPILES
from omegaconf import OmegaConf
from resuming import CNN, SHORT, as_killed_at, assert_same, metrics_of, resumes_exactly
from small import stepped, task_with
from torch import nn

import dlexp
from dlexp import api
from dlexp.config.compose import compose
from dlexp.data.normalisation import Normalisation
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.experiment.assemble import assemble
from dlexp.methods.contrastive import told_apart
from dlexp.methods.distillation import Distillation, softened
from dlexp.methods.mean_teacher import MeanTeacher
from dlexp.methods.method import Method, Moment, Outcome, Start
from dlexp.methods.sam import SAM
from dlexp.records.metrics import read_epochs
from dlexp.records.run_json import read_json
from dlexp.train.evaluate import evaluate
from dlexp.train.fit import fit
from dlexp.train.frozen import set_frozen
from dlexp.train.step import OwnSteps, gradients_of

SPIRAL = ["data.points_per_class=40", "batch_size=16", "epochs=3", "log_steps=2", *SHORT]
AS_THEY_ARE = ["data.mean=[0.0,0.0,0.0]", "data.std=[1.0,1.0,1.0]"]
METHODS = {
    "sam": ["model.dropout=0.2"],
    "distillation": ["method.teacher=teacher", "model.dropout=0.2", "accumulate=2"],
    "mean_teacher": ["model.dropout=0.2", "ema=ema", "accumulate=2"],
    "contrastive": ["augment=crop_flip", "augment.crop.padding=1", "ema=ema", "accumulate=2"],
    "adversarial": ["method.steps=2", "method.step_size=0.02", "model.dropout=0.2"],
    "contrastive_divergence": ["model=rbm", "model.width=6", *AS_THEY_ARE, "accumulate=2"],
    "pruning": ["method.rounds=2", "method.sparsity=0.5", "method.rewind=true", "method.rewind_steps=3"],
}
OWN = """\
import torch
from torch import nn
from dlexp.methods.method import Method, Outcome


class Noise(Method):
    '''A loss of its own, with a parameter that is trained, a counter that is saved, and random numbers.'''
    trains = True

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("seen", torch.zeros(()))

    def loss(self, task, model, batch, moment):
        self.seen += 1
        inputs = batch["inputs"] + 0.01 * self.seen * torch.randn_like(batch["inputs"])
        outputs = self.scale * task.predict(model, {**batch, "inputs": inputs})
        return Outcome(task.loss(outputs, batch) * (1 + moment.progress), outputs)


class Counting(Noise):
    calls = 0

    def loss(self, *args):
        self.calls += 1
        return super().loss(*args)


class Doubling(Method):
    def loss(self, task, model, batch, moment):
        outputs = task.predict(model, {**batch, "inputs": batch["inputs"].repeat(2, 1)})
        return Outcome(outputs.square().mean(), outputs)


class Twice(Method):
    '''Looks at a batch two times, and measures both.'''
    def loss(self, task, model, batch, moment):
        both = {name: torch.cat([each, each]) for name, each in batch.items()}
        outputs = task.predict(model, both)
        return Outcome(task.loss(outputs, both), outputs, both)


class Stepping(Method):
    part = None

    def step(self, loop, batch, moment):
        outcome = self.loss(loop.task, loop.model, batch, moment)
        loop.gradients(outcome.loss)
        loop.update(self.part)
        return outcome


class OfNoPart(Stepping):
    part = "discriminator"


class Flattening(Stepping):
    def loss(self, task, model, batch, moment):
        return super().loss(task, model, {**batch, "inputs": batch["inputs"].flatten()}, moment)


class CountingSteps(Stepping):
    calls = 0

    def step(self, *args):
        self.calls += 1
        return super().step(*args)


class Alternating(Method):
    '''Two updates a batch, each of its own part.'''
    def step(self, loop, batch, moment):
        for part in ("first", "rest"):
            outcome = self.loss(loop.task, loop.model, batch, moment)
            loop.gradients(outcome.loss)
            loop.update(part)
        return outcome
"""


@pytest.fixture
def teacher(workdir: Path) -> Path:
    return api.run([*CNN, "epochs=1"], folder=workdir / "teacher").folder


@pytest.fixture
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (workdir / "my_methods.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_methods")
    yield workdir
    sys.modules.pop("my_methods", None)


def words_of(method: str) -> list[str]:
    kept = CNN if "model=rbm" not in METHODS[method] else [word for word in CNN if word != "model=cnn"]
    return [*kept, f"method={method}", *METHODS[method]]


def test_every_method_is_tried() -> None:
    """But those that make one step, of which no other is to be resumed from."""
    from dlexp.config import registry
    from dlexp.config.build import target

    files = sorted((registry.CONF / "method").glob("*.yaml"))
    kinds = {each.stem: target(OmegaConf.load(each)["_target_"]) for each in files}
    assert len(kinds) >= 9
    assert sorted(METHODS) == [name for name, kind in kinds.items() if kind is not Method and not kind.whole]


# Together these keep all that methods keep: a draw, masks, and weights of their own with an average.
QUICK = ("sam", "mean_teacher", "pruning")


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]
)
def test_each_resumes_to_the_bit(method: str, workdir: Path, teacher: Path, every_state_is_kept: None) -> None:
    """In mid-epoch, in the middle of a group of accumulated batches' epoch, and between epochs."""
    steps = (1, 7, 14) if "accumulate=2" in METHODS[method] else (1, 15, 29)
    resumes_exactly(words_of(method), workdir, steps)


@pytest.mark.slow  # the kinds of docs/extending.md are swept and loaded in the others
@pytest.mark.parametrize("method", ["sam", "distillation", "adversarial", "contrastive"])
def test_each_is_swept_and_loaded(cli, method: str, workdir: Path, teacher: Path) -> None:
    ended = cli("-m", *words_of(method), "seed=0,1", "epochs=1", "hydra.sweep.dir=sweep")
    assert ended.code == 0 and ended.out.count("finished") == 2, ended
    inputs = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    assert dlexp.load(workdir / "sweep" / "seed-0")(inputs).shape == (5, 10)


@pytest.mark.slow
@COMPILES
# Of sampling other numbers are drawn where it is compiled.
@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("sam", "contrastive_divergence")])
def test_a_method_with_a_loss_of_its_own_is_compiled(method: str, workdir: Path, teacher: Path) -> None:
    words = [
        *words_of(method),
        "epochs=1",
        "model.dropout=0",
        "method.noise=0" if method == "mean_teacher" else "seed=0",
    ]
    if method == "adversarial":
        words += ["method.size=1e-6", "method.step_size=1e-6"]  # its random start is another one there
    plain, compiled = (api.run([*words, f"compile={c}"], folder=workdir / str(c)).metrics for c in (False, True))
    assert compiled["train/loss"] == pytest.approx(plain["train/loss"], rel=1e-3)


def test_sharpness_aware_steps_are_those_of_the_paper() -> None:
    """On a loss whose gradient is known: w², at w + rho."""
    config = compose(["model=linear", "data=linear", *SHORT, "method=sam", "optimizer.lr=0.1", "optimizer.momentum=0",
                      "optimizer.nesterov=false", "scheduler=constant"]).config  # fmt: skip
    run = assemble(config)
    batch = next(run.train.epoch(0))
    weights = [each.detach().clone() for each in run.state.model.parameters()]

    def gradient(at: list[torch.Tensor]) -> list[torch.Tensor]:
        with torch.no_grad():
            for each, value in zip(run.state.model.parameters(), at, strict=True):
                each.copy_(value)
        loss = run.task.loss(run.task.predict(run.state.model, batch), batch)
        return list(torch.autograd.grad(loss, list(run.state.model.parameters())))

    first = gradient(weights)
    norm = math.sqrt(sum(float(each.square().sum()) for each in first))
    second = gradient([w + 0.05 * g / norm for w, g in zip(weights, first, strict=True)])
    gradient(weights)
    assert isinstance(run.state.method, SAM)
    OwnSteps(run.state, None, None)(batch, 1.0)
    for each, before, along in zip(run.state.model.parameters(), weights, second, strict=True):
        torch.testing.assert_close(each.detach(), before - run.state.lr * along, rtol=1e-5, atol=1e-6)


def test_a_teacher_is_as_good_within_the_run_as_its_record_says(workdir: Path, teacher: Path) -> None:
    """The student's data is normalised another way, which is undone before the teacher sees it."""
    words = [*words_of("distillation"), "data.mean=[0.1,0.2,0.3]", "data.std=[0.5,0.6,0.7]"]
    run = assemble(compose(words).config)
    method: Any = run.state.method
    assert run.val is not None
    right = [
        (method.teacher(**method.undone(batch)).argmax(dim=1) == batch["targets"]).sum() for batch in run.val.epoch(0)
    ]
    record = read_epochs(teacher)[-1]["val/accuracy"]
    assert float(sum(right)) / run.val.num_samples == pytest.approx(record)
    assert not any(name.startswith("method") for name, _ in run.state.model.named_parameters())
    trained = {id(each) for group in run.state.optimizer.param_groups for each in group["params"]}
    assert not trained & {id(each) for each in run.state.method.parameters()}, "a teacher is not trained"


@pytest.mark.slow
def test_a_sweep_trains_again_when_the_teacher_changed(cli, workdir: Path, teacher: Path) -> None:
    words = ["-m", *words_of("distillation"), "seed=0", "epochs=1"]
    assert cli(*words).code == 0 and "1 of them done already" in cli(*words).out
    api.run([*CNN, "epochs=1", "seed=5"], folder=workdir / "other")
    for name in ("best.pt", "last.pt"):
        (teacher / "weights" / name).write_bytes((workdir / "other" / "weights" / name).read_bytes())
    again = cli(*words)
    assert "the method's teacher changed since cnn-fake-sgd ran" in again.out and "done already" not in again.out, again


def test_a_teacher_of_other_classes_is_refused(workdir: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match="classes of teacher"):
        api.run([*words_of("distillation"), "data.num_outputs=7"], folder="run")
    with pytest.raises(UserError, match=r"needs a teacher: method\.teacher=RUN"):
        api.run([*CNN, "method=distillation"], folder="run")
    assert not Path("run").exists()


def test_adversarial_pictures_stay_near_and_raise_the_loss(workdir: Path) -> None:
    run = assemble(compose([*words_of("adversarial"), "method.steps=5", "method.size=0.1", "model.dropout=0"]).config)
    method: Any = run.state.method
    batch = next(run.train.epoch(0))
    changed = method._worst(run.task, run.state.model, batch, batch["inputs"])
    before, after = (run.train.normalised["inputs"].undone(each["inputs"]) for each in (batch, changed))
    assert (
        float((after - before).abs().max()) <= 0.1 + 1e-5
        and -1e-5 <= float(after.min()) <= float(after.max()) < 1.00001
    )
    run.state.model.eval()
    with torch.no_grad():
        losses = [float(run.task.loss(run.task.predict(run.state.model, each), batch)) for each in (batch, changed)]
    assert losses[1] > losses[0]
    found = evaluate(run.state.model, run.task, method, run.ask, run.val, run.plan).metrics
    assert found["robust_accuracy"] <= found["accuracy"]


def test_adversarial_training_leaves_each_layer_its_mode(workdir: Path) -> None:
    """Also where the model as a whole rests, because a buffer of its own is frozen."""
    run = assemble(compose([*words_of("adversarial")]).config)
    model: Any = run.state.model
    model.register_buffer("offset", torch.zeros(()))
    set_frozen(model, {"offset"})
    modes = [each.training for each in model.train().modules()]
    run.state.method.loss(run.task, model, next(run.train.epoch(0)), run.state.moment)
    assert [each.training for each in model.modules()] == modes and not modes[0] and all(modes[1:])


def test_steps_that_never_reach_the_size_are_refused(workdir: Path) -> None:
    """Evaluation begins at the picture itself, so its figure would be that of another attack."""
    words = [*words_of("adversarial"), "method.size=0.3", "method.step_size=0.01", "method.steps=7"]
    with pytest.raises(UserError, match=r"by more than 0\.07, .* method\.size=0\.3; method\.steps=30 reaches it"):
        api.run(words, folder=workdir / "run")
    assert not (workdir / "run").exists() and assemble(compose([*words, "method.steps=30"]).config)


def test_what_a_method_measures_may_choose_the_epoch(workdir: Path) -> None:
    words = [*words_of("adversarial"), "method.size=0.02", "task.metric=robust_accuracy", "model.dropout=0"]
    result = api.run(words, folder=workdir / "run")
    assert result.objective == max(each["val/robust_accuracy"] for each in result.history)
    entry = read_json(workdir / "run" / "run.json")
    assert entry["metric"] == "val/robust_accuracy" and entry["measures"]["robust_accuracy"]["unit"] == "%"


def test_a_mean_teacher_adds_noise_to_normalised_inputs_alone() -> None:
    seen: list[Any] = []
    method = MeanTeacher(decay=0.9, weight=1.0, ramp=0.5, noise=1.0)
    task = task_with(nn.CrossEntropyLoss())
    task.class_names, task.forward = ["a", "b"], lambda model, batch: seen.append(batch) or model(batch["inputs"])
    start = Start(nn.Linear(3, 2), task, lambda run: nn.Identity(), {"inputs": Normalisation([0.0], [1.0])}, 10)
    method.setup(start)
    batch = {"targets": torch.tensor([0, 1]), "inputs": torch.ones(2, 3), "mask": torch.ones(2, 3)}
    method.loss(task, start.model, batch, Moment.beginning())
    for each in seen:
        assert each["targets"] is batch["targets"] and each["mask"] is batch["mask"]
        assert not torch.equal(each["inputs"], batch["inputs"])
    with pytest.raises(UserError, match="adds noise to normalised inputs, and here are none: method.noise=0"):
        method.setup(replace(start, normalised={}))


def test_pruned_weights_are_gone_and_the_others_begin_anew(workdir: Path) -> None:
    words = [*SPIRAL, "method=pruning", "method.sparsity=0.75", "method.rounds=2", "method.rewind=true",
             "method.rewind_steps=0", "epochs=1", "scheduler=constant"]  # fmt: skip
    run = assemble(compose(words).config)
    method: Any = run.state.method
    weights = {name: each.detach().clone() for name, each in run.state.model.named_parameters() if each.ndim > 1}
    for event in fit(run.state, run.train, run.plan, lambda state: True):
        if event["kind"] == "save" and event["step"] in method.ends:
            now = {name: each.detach() for name, each in run.state.model.named_parameters() if each.ndim > 1}
            left = sum(int((each != 0).sum()) for each in now.values()) / sum(each.numel() for each in now.values())
            assert left == pytest.approx(0.5 if event["step"] == method.ends[0] else 0.25, abs=1e-3)
            assert all(torch.equal(each, torch.where(each != 0, weights[name], 0.0)) for name, each in now.items())
    zeros = sum(int((each == 0).sum()) for name, each in run.state.model.named_parameters() if name in weights)
    assert zeros / sum(each.numel() for each in weights.values()) == pytest.approx(0.75, abs=1e-3)


def test_only_pruned_weights_are_chosen_and_the_share_is_measured(workdir: Path) -> None:
    words = [*SPIRAL, "method=pruning", "method.sparsity=0.9", "method.rounds=2", "epochs=6", "optimizer.lr=0.001"]
    result = api.run(words, folder="run")
    shares = [row["val/sparsity"] for row in result.history]
    assert shares[0] < 0.5 < 0.9 == pytest.approx(shares[-1], abs=1e-3)
    chosen = read_json(result.folder / "run.json")["chosen_epoch"]
    assert shares[chosen - 1] == pytest.approx(0.9, abs=1e-3) and result.metrics["test/sparsity"] > 0.89
    weights = [each for each in dlexp.load(result.folder).model.parameters() if each.ndim > 1]
    gone = sum(int((each == 0).sum()) for each in weights) / sum(each.numel() for each in weights)
    assert gone == pytest.approx(0.9, abs=1e-3)
    for more, sentence in (
        (["ema=ema"], "leave ema out"),
        (["method.rounds=200"], "200 rounds, and the training only"),
    ):
        with pytest.raises(UserError, match=sentence):
            api.run([*words, *more], folder="other")


@pytest.mark.parametrize("method", ["distillation", "mean_teacher", "adversarial"])
def test_methods_of_classes_refuse_other_tasks(method: str, workdir: Path) -> None:
    (workdir / "teacher").mkdir()
    words = [*SHORT, "data=linear", "model=linear", f"method={method}", "epochs=1"]
    with pytest.raises(UserError, match=f"method={method} is about classes, and this task|is not the folder of a run"):
        api.run([*words, *(["method.teacher=teacher"] if method == "distillation" else [])], folder="run")


def test_views_are_told_apart_pair_by_pair() -> None:
    projected, temperature = torch.randn(10, 4), 0.3

    def likeness(i: int, j: int) -> torch.Tensor:
        return torch.cosine_similarity(projected[i], projected[j], dim=0) / temperature

    total = torch.zeros(())
    for i in range(10):
        others = torch.stack([likeness(i, k).exp() for k in range(10) if k != i]).sum()
        total -= likeness(i, (i + 5) % 10) - others.log()
    torch.testing.assert_close(told_apart(projected, temperature), total / 10)


def test_views_are_two_of_each_sample(workdir: Path) -> None:
    run = assemble(compose([*CNN, "method=contrastive", "augment=flip"]).config)
    batches = list(run.train.epoch(0))
    for batch in batches:
        (one, other), labels = batch["inputs"].chunk(2), batch["targets"].chunk(2)
        assert len(one) == len(other) == 8 and torch.equal(*labels) and not torch.equal(one, other)
        pixels = (each.flatten(1).sort(dim=1).values for each in (one, other))
        assert torch.equal(*pixels), "a mirrored picture has the same pixels"
    later = next(run.train.epoch(0, start=5))
    assert all(torch.equal(later[name], each) for name, each in batches[5].items())


def test_a_model_is_loaded_without_what_has_trained_it(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of a method may be gone; that of the model has to be there."""
    (workdir / "my_training.py").write_text(
        "from dlexp.methods.method import Method\n\n\nclass Mine(Method):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(workdir))
    monkeypatch.setenv("DLEXP_ALLOW", "my_training")
    words = ["data.points_per_class=40", "epochs=1", "pictures=false", "threads=1"]
    folder = api.run([*words, "method._target_=my_training.Mine"], folder="run").folder
    points = torch.randn(5, 2)
    known = dlexp.load(folder)(points)
    monkeypatch.delenv("DLEXP_ALLOW")
    assert torch.equal(dlexp.load(folder)(points), known)
    with pytest.raises(UserError, match="'my_training.Mine' is not allowed"):
        api.run(["resume=run", "epochs=2"])
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(config.replace("dlexp.models.mlp.mlp", "my_training.net"), encoding="utf-8")
    with pytest.raises(UserError, match="'my_training.net' is not allowed"):
        dlexp.load(folder)


def test_labels_reach_the_last_layer_alone(workdir: Path) -> None:
    run = assemble(compose([*words_of("contrastive"), "model.dropout=0"]).config)
    model, batch = run.state.model.train(), next(run.train.epoch(0))

    def gradients(targets: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = {**dict(model.named_parameters()), **dict(run.state.method.named_parameters())}
        outcome = run.state.method.loss(run.task, model, {**batch, "targets": targets}, run.state.moment)
        assert len(outcome.outputs) == 16
        return dict(zip(parts, torch.autograd.grad(outcome.loss, list(parts.values())), strict=True))

    one, other = gradients(batch["targets"]), gradients((batch["targets"] + 1) % 10)
    differ = {name for name in one if not torch.equal(one[name], other[name])}
    assert differ == {"output.weight", "output.bias"}
    assert all(float(each.abs().sum()) > 0 for name, each in one.items() if "norm" not in name)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["augment=none"], r"without augmentation they are equal: 'augment=\[crop_flip,color_jitter\]'"),
        (["augment=alternating_flip"], "the chosen augmentation makes equal ones"),
        (["augment=mixup"], "augment mixes each with other samples: leave the mix out"),
        (["augment=[crop_flip,cutmix]"], "augment mixes each with other samples: leave the mix out"),
        (["overfit_batches=1"], "with overfit_batches each is seen as it is"),
        (
            ["model=linear"],
            "before a last linear layer, and of this model's 1 layers with weights the last is a Linear",
        ),
        (["model=unet", "task=segmentation", "augment=flip"], "the last is a Conv2d"),
    ],
)
def test_where_no_views_can_be_told_apart(more: list[str], sentence: str, workdir: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        api.run([*CNN, "method=contrastive", "augment=crop_flip", *more], folder="run")
    assert not Path("run").exists()


@pytest.mark.parametrize("method", ["contrastive", "mean_teacher"])
def test_what_a_method_copies_rests_where_the_model_does(method: str, workdir: Path) -> None:
    run = assemble(compose(words_of(method)).config)
    model, own, batch = run.state.model, run.state.method, next(run.train.epoch(0))
    for names in ({"norm1_1.running_mean"}, set()):
        set_frozen(model, names)
        own.train()
        own.loss(run.task, model.train(), batch, run.state.moment)
        copied = own._twin[0] if method == "contrastive" else own.teacher
        modes = [each.training for each in model.modules()]
        assert [each.training for each in copied.modules()] == modes and all(modes) is not bool(names)


REPLACING = """\
import torch
from torch import nn


class Replacing(nn.Module):
    def __init__(self, *, num_outputs, **others):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(192, 8), Norm(), nn.Linear(8, num_outputs)

    def forward(self, x):
        return self.last(self.norm(self.first(x.flatten(1))))


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean
"""


def test_a_model_that_replaces_its_buffers_has_no_views(own: Path) -> None:
    (own / "my_methods.py").write_text(REPLACING, encoding="utf-8")
    model = ["model=linear", "model._target_=my_methods.Replacing"]
    with pytest.raises(UserError, match=r"replaces norm\.mean; fill it in place instead: self\.mean\.copy_"):
        api.run([*words_of("contrastive"), *model], folder="run")
    assert not Path("run").exists()


def test_a_linear_probe_leaves_the_encoder_as_it_is(workdir: Path) -> None:
    words = [*CNN, "augment=flip", "epochs=1"]
    source = api.run([*words, "method=contrastive"], folder="encoder").folder
    probe = api.run([*words, f"init_from={source}", "freeze=[conv*,norm*]"], folder="probe").folder
    before, after = (dlexp.records.checkpoints.load(each / "weights" / "best.pt")["model"] for each in (source, probe))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"output.weight", "output.bias"}, "running statistics stay too"


def test_a_mean_teacher_follows_the_student(workdir: Path) -> None:
    run = assemble(compose([*SPIRAL, "method=mean_teacher", "method.decay=0.5", "max_steps=3"]).config)
    method: Any = run.state.method
    mean = next(iter(run.state.model.parameters())).detach().clone()
    for event in fit(run.state, run.train, run.plan, lambda state: True):
        if event["kind"] == "save":
            mean = mean + (1 - min(1 - 1 / (event["step"] + 1), 0.5)) * (
                next(iter(run.state.model.parameters())) - mean
            )
            torch.testing.assert_close(next(iter(method.teacher.parameters())), mean)
            break


def test_a_mean_teacher_learns_from_samples_without_labels(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All agree with the teacher; the loss is that of the labelled ones, a mean over all."""
    words = [*SPIRAL, "method=mean_teacher", "method.noise=0.5", "method.ramp=0.01", "task.ignore_index=2"]
    run = assemble(compose(words).config)
    method, task, batch = run.state.method, run.task, next(run.train.epoch(0))
    moment = run.state.moment
    moment.move(step=5, epoch=1, progress=0.5)
    labelled = batch["targets"] != 2
    assert 0 < int(labelled.sum()) < len(labelled)

    def of(targets: torch.Tensor) -> Outcome:
        torch.manual_seed(0)
        return method.loss(task, run.state.model, {**batch, "targets": targets}, moment)

    some = of(batch["targets"])
    alone = torch.nn.functional.cross_entropy(some.outputs[labelled], batch["targets"][labelled], reduction="sum")
    loss = task.loss
    nothing_counts = some.outputs.sum() * 0  # what a task owes where nothing is labelled
    monkeypatch.setattr(task, "loss", lambda outputs, batch: nothing_counts)
    none = of(torch.full_like(batch["targets"], 2))
    monkeypatch.setattr(task, "loss", loss)
    assert none.loss.item() > 0 and none.weight == some.weight == len(labelled)
    torch.testing.assert_close(some.loss, alone / len(labelled) + none.loss)
    none.loss.backward()
    assert all(bool(each.grad.isfinite().all()) for each in run.state.model.parameters() if each.grad is not None)


def distilling(weight: float) -> Distillation:
    method = Distillation(teacher="run", temperature=2.0, weight=weight)
    method.teacher, method.undone = nn.Linear(4, 3), lambda batch: {"input": batch["inputs"]}
    return method


def test_weights_of_classes_weigh_with_a_teacher_as_without() -> None:
    model, batch = nn.Linear(4, 3), {"inputs": torch.randn(8, 4), "targets": torch.arange(8) % 3}
    mean_teacher = MeanTeacher(decay=0.9, weight=0.0, ramp=1.0, noise=0.0)
    mean_teacher.teacher, mean_teacher.noisy = nn.Linear(4, 3), []
    task = task_with(nn.CrossEntropyLoss(weight=torch.tensor([10.0, 20.0, 30.0])), 3)
    for method in (mean_teacher, distilling(0.0)):
        found = method.loss(task, model, batch, Moment.beginning())
        torch.testing.assert_close(found.loss, task.loss(model(batch["inputs"]), batch))


def test_what_a_teacher_says_of_samples_without_labels_counts_as_much() -> None:
    torch.manual_seed(0)
    inputs, targets = torch.randn(8, 4), torch.tensor([0, -1, -1, -1, 1, 2, 0, 1])
    state = stepped(nn.Linear(4, 3), nn.CrossEntropyLoss())
    state.task, state.method = task_with(nn.CrossEntropyLoss(), 3), distilling(0.9)
    state.task.ignore_index, weight = -1, state.model.weight

    def step(rows: slice, weighs: bool) -> Outcome:
        return gradients_of(state, weighs=weighs)({"inputs": inputs[rows], "targets": targets[rows]}, 1.0)

    one, whole = step(slice(8), False), weight.grad.clone()
    weight.grad = None
    total = sum(step(rows, True).weight for rows in (slice(4), slice(4, 8)))
    torch.testing.assert_close(weight.grad / total, whole)
    weight.grad = None
    none = step(slice(1, 4), False)
    assert float(none.counted) > 0 and bool(weight.grad.any()), "nothing is labelled, and the teacher speaks"
    learnt = softened(one.outputs, state.method.teacher(inputs), 2.0)
    alone = nn.functional.cross_entropy(one.outputs[targets >= 0], targets[targets >= 0], reduction="sum") / 8
    torch.testing.assert_close(one.loss, 0.1 * alone + 0.9 * learnt.detach())


def test_a_method_of_ones_own_is_saved_with_the_training(own: Path, every_state_is_kept: None) -> None:
    resumes_exactly([*SPIRAL, "method._target_=my_methods.Noise", "accumulate=2"], own, (1, 5, 8))
    state = dlexp.records.checkpoints.load(sorted((own / "whole" / "checkpoints").glob("*.pt"))[-1])
    assert state["method"]["scale"].item() != 1 and state["method"]["seen"].item() > 3


def test_a_method_that_would_lose_its_state_is_refused_by_name(own: Path) -> None:
    with pytest.raises(UserError, match=r"method my_methods\.Counting changes calls while it trains.*register_buffer"):
        api.run([*SPIRAL, "method._target_=my_methods.Counting"], folder="run")
    assert not Path("run").exists()


def test_outputs_of_another_batch_are_refused(own: Path) -> None:
    with pytest.raises(UserError, match=r"method my_methods\.Doubling"):
        api.run([*SPIRAL, "method._target_=my_methods.Doubling"], folder="run")


def test_what_is_measured_counts_its_own_rows(own: Path) -> None:
    plain, twice = (
        api.run([*SPIRAL, *more, "model.dropout=0"], folder=own / name)
        for name, more in (("plain", []), ("twice", ["method._target_=my_methods.Twice"]))
    )
    for one, other in zip(plain.history, twice.history, strict=True):
        assert other["train/accuracy"] == pytest.approx(one["train/accuracy"], abs=0.02)
        assert one["val/accuracy"] == pytest.approx(other["val/accuracy"], abs=0.1)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("OfNoPart", "the optimizer has no part 'discriminator'"),
        ("Flattening", r"method my_methods\.Flattening: Dimension out of range"),
        ("CountingSteps", r"method my_methods\.CountingSteps changes calls while it trains.*register_buffer"),
    ],
)
def test_a_step_of_ones_own_is_tried_before_the_run(own: Path, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        api.run([*SPIRAL, f"method._target_=my_methods.{name}"], folder="run")
    assert not Path("run").exists()


def test_a_step_of_ones_own_updates_parts_and_counts_once(own: Path, every_state_is_kept: None) -> None:
    words = [*SPIRAL, "optimizer=muon", "method._target_=my_methods.Alternating"]
    config = compose(words).config
    config["optimizer"] = {
        "parts": {
            "first": {"_target_": "torch.optim.SGD", "lr": 0.1, "params": ["linear1*"]},
            "rest": {"_target_": "torch.optim.Adam", "lr": 0.01},
        }
    }
    run = assemble(config)
    (event,) = [e for e in fit(run.state, run.train, run.plan) if e["kind"] == "epoch"][:1]
    assert event["step"] == len(run.train)
    with pytest.raises(UserError, match="makes its own steps, so accumulate=2"):
        api.run([*words, "accumulate=2"], folder="run")


def test_a_moment_tells_where_the_training_is() -> None:
    moment = Moment.beginning()
    moment.move(step=3, epoch=1, progress=0.5)
    assert (int(moment.step), int(moment.epoch), float(moment.progress)) == (3, 1, 0.5)
    assert Outcome(torch.zeros(()), None).batch is None


MOMENT = """\
from torch import nn

class Annealed(nn.CrossEntropyLoss):
    def __init__(self, *, label_smoothing: float, weight: list[float] | None):
        super().__init__(label_smoothing=label_smoothing)

    def forward(self, outputs, targets, moment):
        return (1 - moment.progress) * super().forward(outputs, targets)
"""


def test_a_criterion_may_see_the_moment(own: Path, every_state_is_kept: None) -> None:
    (own / "my_methods.py").write_text(MOMENT, encoding="utf-8")
    words = [*SPIRAL, "criterion._target_=my_methods.Annealed"]
    resumes_exactly(words, own, (1, 9))
    losses = [row["train/recent_loss"] for row in metrics_of(own / "whole") if row["kind"] == "steps"]
    assert losses[-1] < 0.1 * losses[0]
    last = int(sorted((own / "whole" / "checkpoints").glob("*.pt"))[-1].stem.partition("-")[2])
    part = as_killed_at(own / "whole", last, own / "at-the-end")
    resume.resume(part, [])
    assert_same(own / "whole", part)  # the test too is at that moment


PLATEAU = ["scheduler=plateau", "scheduler.patience=0", "optimizer.lr=1"]
LBFGS = ["optimizer=lbfgs", "model.dropout=0.1", "optimizer.max_iter=3"]


@pytest.mark.parametrize(
    "words", [pytest.param(PLATEAU, id="plateau"), pytest.param(LBFGS, id="lbfgs", marks=pytest.mark.slow)]
)
def test_what_follows_validation_or_asks_again_resumes_to_the_bit(
    words: list[str], workdir: Path, every_state_is_kept: None
) -> None:
    resumes_exactly([*SPIRAL, *words, "epochs=6"], workdir, (5, 12, 31))


def test_the_rate_falls_when_validation_stays(workdir: Path) -> None:
    words = [*SPIRAL, "scheduler=plateau", "scheduler.patience=1", "scheduler.reduction=0.5", "scheduler.least=0.3"]
    result = api.run([*words, "optimizer.lr=1e-9", "epochs=8"], folder="run")
    rates = [row["lr"] / 1e-9 for row in result.history]
    best = [row["val/accuracy"] for row in result.history]
    assert len(set(best)) == 1, "such a rate changes nothing"
    # The first validation is the best; after two more that are no better the rate halves, and again; never below 0.3.
    assert rates == pytest.approx([1, 1, 1, 0.5, 0.5, 0.3, 0.3, 0.3])
    longer = api.run([f"resume={result.folder}", "epochs=9", "accept_changes=true", "optimizer.lr=1e-8"])
    assert longer.history[-1]["lr"] == pytest.approx(0.3e-8), "its validations count, with the new rate"
    with pytest.raises(UserError, match=r"follows validation, which data\.val_size=0 leaves out"):
        api.run([*SPIRAL, "scheduler=plateau", "data.val_size=0"], folder="other")


def test_schedules_of_torch_are_given_nothing_by_position(workdir: Path) -> None:
    config = compose([*SPIRAL]).config
    config["scheduler"] = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 4, "gamma": 0.5}
    run = assemble(config)
    list(fit(run.state, run.train, run.plan))
    assert run.state.lr == pytest.approx(run.state.optimizer.param_groups[0]["initial_lr"] * 0.5 ** (18 // 4))
    config["scheduler"] = {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau"}
    with pytest.raises(UserError, match="scheduler=plateau follows validation"):
        assemble(config)


def test_lbfgs_is_refused_where_it_can_not_be(workdir: Path) -> None:
    with pytest.raises(UserError, match="SAM makes its own steps, and this optimizer asks for the loss again"):
        api.run([*SPIRAL, "optimizer=lbfgs", "method=sam"], folder="run")
    assert not Path("run").exists()
    with pytest.raises(UserError, match="asks for the loss as often as it wants, so accumulate=2"):
        api.run([*SPIRAL, "optimizer=lbfgs", "accumulate=2"], folder="run")
    assert read_json(api.run([*SPIRAL, "optimizer=lbfgs", "epochs=1"], folder="fine").folder / "run.json")["metrics"]
