"""Watchers: what they log, change and keep is recorded and resumed to the bit; those that only look change nothing."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from resuming import CNN, SHORT, as_killed_at, assert_same, metrics_of, resumes_exactly, weights_of
from torch import nn

import dlexp
from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.experiment.assemble import assemble
from dlexp.records import checkpoints
from dlexp.records.folder import saved_states
from dlexp.records.metrics import read_epochs
from dlexp.watch.silent import silent_shares

SPIRAL = ["data.points_per_class=40", "batch_size=16", "epochs=4", "log_steps=2", *SHORT]
OWN = """\
from pathlib import Path
import torch
from dlexp.watch.watcher import Watcher


class Busy(Watcher):
    '''Logs within steps and after epochs, draws numbers, keeps an average, saves embeddings, draws a figure.'''
    def __init__(self):
        self.mean = torch.zeros(())

    def before_update(self, view):
        norm = next(view.model.parameters()).grad.norm()
        self.mean = 0.9 * self.mean + 0.1 * norm
        view.log("mean", self.mean)

    def epoch(self, view, metrics):
        view.model.eval()
        embeddings = torch.cat([view.averaged(batch["inputs"]).detach() for batch in view.batches("val")])
        torch.save(embeddings, view.folder / f"embeddings-{view.epoch}.pt")
        view.log("spread", embeddings.std() + 0 * torch.rand(()))

    def end(self, view, metrics):
        from matplotlib.figure import Figure
        figure = Figure()
        figure.add_subplot().plot([1, 2])
        view.figure("mine", figure)
        view.log("tested", sum(len(batch["inputs"]) for batch in view.batches("test")))

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


class Forgetful(Busy):
    state_dict = Watcher.state_dict
    load_state_dict = Watcher.load_state_dict


class Peeking(Watcher):
    def epoch(self, view, metrics):
        list(view.batches("test"))


class Stopping(Watcher):
    def __init__(self, *, after: int):
        self.after = after

    def epoch(self, view, metrics):
        return "enough" if view.epoch == self.after else None


class Interrupted(Watcher):
    '''Counts epochs, and is once hit by a signal after the second one.'''
    def __init__(self):
        self.count = 0

    def epoch(self, view, metrics):
        self.count += 1
        view.log("count", self.count)
        if view.epoch == 2 and not Path("was-hit").exists():
            Path("was-hit").touch()
            raise KeyboardInterrupt

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Freezing(Watcher):
    '''Freezes a layer after the first epoch, thaws another one after the second.'''
    def epoch(self, view, metrics):
        if view.epoch == 1:
            view.freeze(["output*"])
        if view.epoch == 2:
            view.freeze(["linear1*"], frozen=False)
"""


def watching(name: str, only_looks: bool = False, **settings: int) -> list[str]:
    node = ", ".join([f"_target_: my_watch.{name}", f"only_looks: {str(only_looks).lower()}",
                      *(f"{key}: {value}" for key, value in settings.items())])  # fmt: skip
    return ["+watch.own={" + node + "}"]


@pytest.fixture
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (workdir / "my_watch.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_watch")
    yield workdir
    sys.modules.pop("my_watch", None)


def test_what_a_watcher_logs_draws_and_writes_is_there(own: Path) -> None:
    words = [word for word in SPIRAL if not word.startswith("pictures")]
    folder = api.run([*words, *watching("Busy")], folder="run").folder
    rows = metrics_of(folder)
    assert all("watch/own/mean" in row for row in rows if row["kind"] == "steps")
    epochs = read_epochs(folder)
    assert len({row["watch/own/mean"] for row in epochs}) == len(epochs) == 4
    assert all(row["watch/own/spread"] > 0 for row in epochs) and rows[-1]["watch/own/tested"] == 120
    assert torch.load(folder / "embeddings-4.pt").shape == (12, 3)
    assert (folder / "plots" / "mine.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["Busy", "Freezing"])
def test_it_resumes_to_the_bit(own: Path, every_state_is_kept: None, name: str) -> None:
    freeze = ["freeze=[linear1*]"] if name == "Freezing" else []
    resumes_exactly([*SPIRAL, *freeze, *watching(name)], own, (1, 7, 12, 13, 20))


def test_a_validation_counts_once_where_a_watcher_ends_the_run(own: Path) -> None:
    """By then schedule, patience and the watcher itself have counted it, and a resume validates again."""
    words = [*SPIRAL, "optimizer.lr=1e-9", "scheduler=plateau", "scheduler.patience=1", *watching("Interrupted")]
    with pytest.raises(KeyboardInterrupt):
        api.run(words, folder="part")
    resume.resume(own / "part", [])
    whole = api.run(words, folder="whole").folder
    assert_same(whole, own / "part")
    assert [row["lr"] for row in read_epochs(whole)][-1] < 1e-9, "the rate falls after the third validation"
    states = [checkpoints.load(saved_states(own / name)[0]) for name in ("whole", "part")]
    assert states[0]["bad_validations"] == states[1]["bad_validations"] == 3


def test_what_it_keeps_beside_its_state_is_refused_by_name(own: Path) -> None:
    with pytest.raises(UserError, match=r"watch\.own my_watch\.Forgetful changes mean .*state_dict"):
        api.run([*SPIRAL, *watching("Forgetful")], folder="run")
    assert not Path("run").exists() and not list(own.glob("*.pt")), "what it writes before a run is nowhere"


def test_one_that_only_looks_changes_nothing_and_is_no_other_experiment(own: Path) -> None:
    plain = api.run(SPIRAL, folder="plain")
    looked = api.run([*SPIRAL, "model.dropout=0", *watching("Busy", only_looks=True)], folder="looked")
    assert looked.metrics == plain.metrics
    cells = [cell(compose([*SPIRAL, *words]).config) for words in ([], watching("Busy", True), watching("Busy"))]
    assert cells[0] == cells[1] != cells[2]


@pytest.mark.parametrize(("name", "settings"), [("Freezing", {}), ("Stopping", {"after": 1})])
def test_one_that_only_looks_may_neither_freeze_nor_end(own: Path, name: str, settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"watch\.own only looks"):
        api.run([*SPIRAL, *watching(name, only_looks=True, **settings)], folder="run")


def test_the_test_set_is_sealed_until_the_end(own: Path) -> None:
    with pytest.raises(UserError, match=r"watch\.own asks for the test samples before the end"):
        api.run([*SPIRAL, *watching("Peeking")], folder="run")


def test_it_may_end_a_training(own: Path, every_state_is_kept: None) -> None:
    whole = api.run([*SPIRAL, *watching("Stopping", after=2), "checkpoint.every_steps=1"], folder="whole")
    assert len(whole.history) == 2
    last = int(saved_states(whole.folder)[0].stem.partition("-")[2])
    part = as_killed_at(whole.folder, last, own / "part")
    resume.resume(part, [])
    assert_same(whole.folder, part)
    longer = resume.resume(part, ["epochs=5", "accept_changes=true"])
    assert len(longer.history) == 5, "with other settings it goes on"


def test_layers_are_frozen_and_thawed(own: Path, every_state_is_kept: None) -> None:
    words = [*SPIRAL, "freeze=[linear1*]", "checkpoint.every_epochs=1", *watching("Freezing")]
    folder = api.run(words, folder="run").folder
    states = [checkpoints.load(path)["model"] for path in reversed(saved_states(folder))]
    same = [
        {name: bool(torch.equal(one[name], other[name])) for name in one}
        for one, other in zip(states, states[1:], strict=False)
    ]
    assert same[0]["linear1.weight"] and same[0]["output.weight"] and not same[0]["linear2.weight"], (
        "in the second epoch"
    )
    assert not same[1]["linear1.weight"] and same[1]["output.weight"], "in the third"


def test_running_statistics_rest_until_their_layer_is_thawed(workdir: Path, every_state_is_kept: None) -> None:
    words = [*CNN, "freeze=[norm*]", "watch=thaw", "watch.thaw.patterns=[norm*]", "ema=ema"]
    resumes_exactly(words, workdir, (10, 20))
    states = {int(path.stem.partition("-")[2]): path for path in saved_states(workdir / "whole")}
    first, end, second = (checkpoints.load(states[step])["model"]["norm1_1.running_mean"] for step in (1, 13, 26))
    assert torch.equal(first, end) and not first.any() and second.any(), "they begin at 0"


TWO_PARTS = """\
parts:
  early: {params: ["linear1*"], until: 0.5, _target_: torch.optim.SGD, lr: 0.1}
  others: {_target_: torch.optim.SGD, lr: 0.1}
"""


@pytest.mark.parametrize("freeze", [[], ["linear1.bias"]])
def test_a_part_that_was_done_trains_on_in_a_longer_run_and_what_is_frozen_does_not(
    workdir: Path, freeze: list[str]
) -> None:
    (workdir / "conf" / "optimizer").mkdir(parents=True)
    (workdir / "conf" / "optimizer" / "two.yaml").write_text(TWO_PARTS, encoding="utf-8")
    words = [*SPIRAL, "--config-dir", "conf", "optimizer=two", "scheduler=linear", "scheduler.warmup=0"]
    words += ["watch=gradients", f"freeze={json.dumps(freeze)}"]
    folder = api.run([*words, "epochs=2"], folder="run").folder
    before = weights_of(folder)
    resume.resume(folder, ["epochs=12", "accept_changes=true"])
    same = {name for name, each in weights_of(folder).items() if torch.equal(each, before[name])}
    assert same == set(freeze)


def test_what_is_thawed_after_its_part_is_done_resumes_to_the_bit(workdir: Path, every_state_is_kept: None) -> None:
    """It has no gradient, which clipping would see."""
    (workdir / "conf" / "optimizer").mkdir(parents=True)
    (workdir / "conf" / "optimizer" / "two.yaml").write_text(TWO_PARTS, encoding="utf-8")
    words = [*SPIRAL, "--config-dir", "conf", "optimizer=two", "scheduler=linear", "scheduler.warmup=0"]
    words += ["watch=thaw", "watch.thaw.patterns=[linear1*]", "watch.thaw.every=2", "freeze=[linear1*]"]
    resumes_exactly([*words, "grad_clip=0.1"], workdir, (12,))


def test_the_options(workdir: Path, every_state_is_kept: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    words = [*SPIRAL, "watch=[gradients,goal,thaw,moved]", "watch.goal.value=2", "watch.thaw.patterns=[linear1*]"]
    words += ["freeze=[linear1*]", "grad_clip=0.1"]
    resumes_exactly(words, workdir, (3, 9))
    (first, *_) = [row for row in metrics_of(workdir / "whole") if row["kind"] == "steps"]
    norms = {key.rpartition("/")[2]: value for key, value in first.items() if key.startswith("watch/gradients/")}
    assert "linear1.weight" not in norms and norms["all"] > max(v for k, v in norms.items() if k != "all") > 0
    assert norms["all"] > 0.1, "before they are clipped"
    (*_, last) = [row for row in metrics_of(workdir / "whole") if row["kind"] == "steps"]
    assert f"last step: linear1.weight {last['watch/gradients/linear1.weight']:.2g}, output.weight" in caplog.text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["watch=goal", "watch.goal.metric=val/accurcy"],
            r"val/accurcy is not measured\. Did you mean 'val/accuracy'\?",
        ),
        (["watch=goal", "data.val_size=0"], "val/accuracy asks for the split 'val', which this run does not have"),
        (["watch=thaw", "watch.thaw.patterns=[linear1*,conv*]"], r"watch\.thaw\.patterns: conv\* matches none of the"),
    ],
)
def test_what_will_never_be_is_told_before_the_training(workdir: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        api.run([*SPIRAL, *words], folder="run")
    assert not list(workdir.iterdir())


def test_a_goal_ends_the_run(workdir: Path) -> None:
    result = api.run([*SPIRAL, "watch=goal", "watch.goal.metric=train/loss", "watch.goal.value=100",
                      "watch.goal.above=false"], folder="run")  # fmt: skip
    assert len(result.history) == 1
    assert json.loads((result.folder / "run.json").read_text(encoding="utf-8"))["status"] == "finished"


def test_a_goal_waits_for_a_validation(workdir: Path) -> None:
    words = [*SPIRAL, "watch=goal", "watch.goal.value=0.01", "val_every=2"]
    assert len(api.run(words, folder="run").history) == 2


def test_mistakes_are_sentences(workdir: Path) -> None:
    for words, sentence in (
        (["watch=gradient"], r"there is no watch 'gradient'\. Did you mean 'gradients'"),
        (["watch=goal", "watch.goal.vale=1"], r"watch\.goal"),
        (["watch=gradients", "watch.gradients.only_looks=maybe"], "must be true or false"),
    ):
        with pytest.raises(UserError, match=sentence):
            api.run([*SPIRAL, *words], folder="run")


def test_how_far_weights_have_moved_is_of_the_chosen_ones(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    words = [*SPIRAL, "model.depth=2", "watch=moved", "ema=ema", "init=he", "freeze=[linear2.weight]"]
    folder = api.run(words, folder="run").folder
    before, after = assemble(compose(words).config).state.model.state_dict(), dlexp.load(folder).model.state_dict()
    expected = {
        f"watch/moved/{name}": float((after[name] - first).norm() / first.norm())
        for name, first in before.items()
        if name.endswith("weight")
    }
    *_, last = metrics_of(folder)
    found = {key: value for key, value in last.items() if key.startswith("watch/moved/")}
    assert found == pytest.approx(expected, abs=1e-6) and len(found) == 3 and found["watch/moved/linear2.weight"] == 0
    assert sum("watch/moved/linear1.weight" in row for row in read_epochs(folder)) == 4
    first, end = (f"{name}.weight {found[f'watch/moved/{name}.weight']:.2g}" for name in ("linear1", "output"))
    assert f"moved from where they began, as a part of their norm there: {first}, {end}" in caplog.text


def test_silent_units_are_counted(cli, workdir: Path) -> None:
    words = [*SPIRAL, "model.depth=2", "model.width=6", "watch=silent", "val_every=2", "hydra.run.dir=run"]
    ended = cli(*words)
    epochs = read_epochs(workdir / "run")
    assert ["watch/silent/all" in row for row in epochs] == [False, True, False, True], "where it validates"
    model, val = dlexp.load(workdir / "run"), assemble(compose(words).config).val
    assert json.loads((workdir / "run" / "run.json").read_text(encoding="utf-8"))["chosen_epoch"] == 2, "not the last"
    hidden = torch.relu(model.model.linear1(val.split.inputs))
    first = (hidden == 0).double()
    second = (torch.relu(model.model.linear2(hidden)) == 0).double()
    expected = {
        "activation1": first.mean(),
        "activation2": second.mean(),
        "all": torch.cat([first, second], dim=1).mean(),
        "dead_activation1": (first.mean(dim=0) == 1).double().mean(),
        "dead_all": (torch.cat([first, second], dim=1).mean(dim=0) == 1).double().mean(),
    }
    last = {
        key.removeprefix("watch/silent/"): value
        for key, value in metrics_of(workdir / "run")[-1].items()
        if "silent" in key
    }
    assert expected == pytest.approx({name: last[name] for name in expected}, abs=1e-6) and 0 < last["all"] < 1
    assert f"of the outputs of ReLU {100 * last['all']:.1f} % are 0" in ended.out and "validation samples" in ended.out


class Seen(nn.Module):
    """A map that is never on, one that always is, and a layer that is asked twice."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.other = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.relu(torch.stack([-1 - x, 1 + x], dim=1))
        return self.other(self.relu(maps.mean(dim=(2, 3))[:, :1] - 1))


def test_a_map_is_one_unit_and_a_layer_asked_twice_has_twice_its_units() -> None:
    batches = [{"inputs": torch.rand(rows, 4, 4)} for rows in (3, 2)]
    view = SimpleNamespace(model=None, averaged=Seen(), batches=lambda split: batches)
    view.loss = lambda batch, model: model(batch["inputs"])
    found = silent_shares(view, "val")
    assert found == {
        "relu": 17 / 33,
        "dead_relu": 2 / 3,
        "other": 1,
        "dead_other": 1,
        "all": 18 / 34,
        "dead_all": 3 / 4,
    }


def test_silent_units_need_a_layer_of_relu(workdir: Path) -> None:
    with pytest.raises(UserError, match="this model has none; leave it out, or choose model.activation=relu"):
        api.run([*SPIRAL, "model.activation=tanh", "watch=silent"], folder="run")
    assert not list(workdir.iterdir())
