"""Exact resume: a run that was interrupted anywhere ends with the same metrics and weights as one that was not."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import child_environment, start
from PIL import Image
from resuming import CNN, RICH, SHORT, as_killed_at, assert_same, metrics_of, resumes_exactly

from dlexp import api
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.machine import whole_file
from dlexp.records import checkpoints, run_json
from dlexp.records.folder import EVENTS, LOCK, saved_states
from dlexp.records.metrics import read_epochs

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [pytest.param("sgd", marks=pytest.mark.slow), "adam"])
def test_from_anywhere(every_state_is_kept: None, workdir: Path, optimizer: str) -> None:
    """Within an epoch, at its last step, after it, in the last one, and after the training."""
    steps = 13 // 2 + 1
    resumes_exactly([*CNN, *RICH, f"optimizer={optimizer}"], workdir, [1, 3, steps - 1, steps, steps + 3, 3 * steps])


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["constant", "cosine", "linear", "multistep", "onecycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad", "muon"])
def test_every_optimizer_with_every_schedule(
    every_state_is_kept: None, workdir: Path, optimizer: str, scheduler: str
) -> None:
    resumes_exactly([*CNN, *RICH, f"optimizer={optimizer}", f"scheduler={scheduler}"], workdir, [10])


@pytest.mark.parametrize(
    "words",
    [
        ["data.points_per_class=60", "patience=1", "epochs=12", "batch_size=32", *SHORT],
        ["data.points_per_class=60", "val_every=2", "epochs=4", "batch_size=32", "grad_clip=0.5", *SHORT],
        ["model=linear", "data=linear", "data.num_points=64", "batch_size=16", "epochs=3", *SHORT],
        [*CNN, "augment=[crop_alternating_flip,cutout,mixup_cutmix]"],
    ],
    ids=["patience", "val_every", "regression", "mixed"],
)  # fmt: skip
def test_other_trainings(every_state_is_kept: None, workdir: Path, words: list[str]) -> None:
    resumes_exactly(words, workdir, [5])


def folder_of_images(folder: Path) -> list[str]:
    """Writes 60 images; returns the words of a run that streams them."""
    random = np.random.default_rng(0)
    for number in range(60):
        (folder / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 200, (10, 10, 3)) + 55 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number % 2}" / f"{number:02}.png")
    return ["model=cnn", "data=image_folder", f"data.folder={folder}", "data.size=8", "data.in_memory=false",
            "data.workers=2", "batch_size=8", "augment=crop_flip", "augment.crop.padding=1", *SHORT]  # fmt: skip


def test_streamed_images(every_state_is_kept: None, workdir: Path) -> None:
    """5 batches an epoch: within the first epoch, and within the second."""
    words = [*folder_of_images(workdir / "images"), "model.dropout=0.3", "epochs=2"]
    resumes_exactly(words, workdir, [2, 8])


@pytest.mark.slow
@pytest.mark.parametrize(("accumulate", "stride"), [(1, 60), pytest.param(2, 20, marks=pytest.mark.slow)])
def test_an_image_that_can_not_be_read_stops_a_run_that_goes_on_when_it_is_replaced(
    workdir: Path, accumulate: int, stride: int
) -> None:
    """Without values for mean and standard deviation it would be found before the training."""
    words = [*folder_of_images(workdir / "images"), "data.mean=[0.5,0.5,0.5]", "data.std=[0.2,0.2,0.2]"]
    words += [f"accumulate={accumulate}", "epochs=2"]
    whole = api.run(words, folder="whole").folder
    for file in sorted((workdir / "images").rglob("*.png"))[::stride]:
        kept = file.read_bytes()
        file.write_bytes(kept[:60])
        with pytest.raises(UserError, match=rf"images cannot be read: .*{file.name}.*resume="):
            api.run(words, folder=f"part-{file.stem}")
        part = workdir / f"part-{file.stem}"
        assert run_json.read_json(part / "run.json")["status"] == "failed"
        file.write_bytes(kept)
        if saved_states(part):  # without one nothing was learnt of the damaged data, and the run begins anew
            with pytest.raises(UserError, match="the data of .* changed since it was trained"):
                resume.resume(part, [])
        resume.resume(part, [resume.CONSENT])
        assert_same(whole, part)


@POSIX
@pytest.mark.slow
def test_streamed_images_after_a_signal_to_all_processes(workdir: Path) -> None:
    words = [*folder_of_images(workdir / "images"), "epochs=60"]
    whole = api.run(words, folder="whole").folder
    for number in (signal.SIGTERM, signal.SIGKILL):
        part = workdir / number.name
        command = [*words, "checkpoint.every_steps=3", "resume=auto", f"hydra.run.dir={part}"]
        with start(command, workdir, start_new_session=True) as process:
            assert process.stdout is not None
            next(line for line in process.stdout if line.startswith("epoch"))
            os.killpg(process.pid, number)
            out = process.stdout.read()
        assert process.returncode in (143, -9) and "Traceback" not in out
        again = start(command, workdir)
        out, _ = again.communicate(timeout=240)
        assert again.returncode == 0 and "goes on after" in out, out
        assert_same(whole, part)


def test_a_damaged_state_is_named_and_the_one_before_it_is_used(
    every_state_is_kept: None, workdir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = api.run([*CNN, "checkpoint.every_steps=5"], folder="whole").folder
    part = as_killed_at(whole, 20, workdir / "part")
    newest, before = saved_states(part)[:2]
    newest.write_bytes(newest.read_bytes()[:-100])
    resume.resume(part, [])
    assert f"{newest} can't be read: it is damaged" in caplog.text
    assert f"goes on after step {int(before.stem[5:])}" in caplog.text
    assert_same(whole, part)


def test_without_any_readable_state_nothing_is_trained(workdir: Path) -> None:
    folder = api.run([*CNN, "epochs=1"], folder="run").folder
    for path in saved_states(folder):
        path.write_bytes(b"PK")
    before = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"none of the states in run.checkpoints can be used: .* is damaged"):
        resume.resume(folder, ["epochs=2"])
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_a_run_that_died_before_its_first_state_begins_anew(workdir: Path) -> None:
    whole = api.run([*CNN, "epochs=1"], folder="whole").folder
    part = as_killed_at(whole, 0, workdir / "part")
    resume.resume(part, [])
    assert_same(whole, part)


def test_what_was_half_written_at_a_kill_goes(every_state_is_kept: None, workdir: Path) -> None:
    whole = api.run([*CNN, "checkpoint.every_epochs=1"], folder="whole").folder
    part = as_killed_at(whole, 15, workdir / "part")
    for place, name in (("", "run.json"), ("checkpoints", "step-00000030.pt"), ("weights", "best.pt")):
        (part / place / f"{whole_file.BEGIN}{name}.1a_b{whole_file.END}").write_bytes(b"half")
    (part / ".run.json.1.tmp").write_bytes(b"of somebody else")
    resume.resume(part, [])
    assert [path.name for path in part.rglob("*.tmp")] == [".run.json.1.tmp"]


def test_tensorboard_shows_every_point_once(every_state_is_kept: None, workdir: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    whole = api.run([*CNN, "checkpoint.every_steps=5"], folder="whole").folder
    part = as_killed_at(whole, 20, workdir / "part")
    resume.resume(part, [])
    events = EventAccumulator(str(part))
    events.Reload()
    for tag in ("curves/train/loss", "curves/val/accuracy", "details/train/recent_loss", "final/test/accuracy"):
        steps, key = [point.step for point in events.Scalars(tag)], tag.partition("/")[2]
        assert steps == sorted(set(steps)), tag
        assert steps == [row["step"] for row in metrics_of(part) if key in row], tag


def test_more_epochs_stretch_the_schedule(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = api.run([*CNN, "optimizer.lr=0.1"], folder="run").folder
    before = run_json.read_json(folder / "run.json")["cell"]
    assert metrics_of(folder)[-2]["lr"] == pytest.approx(0, abs=1e-6)
    result = resume.resume(folder, ["epochs=6"])
    assert "the learning rate goes on at 0.05" in caplog.text and "it had come to 0" in caplog.text
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4, 5, 6]
    assert result.history[-1]["lr"] == pytest.approx(0, abs=1e-6) and result.history[3]["lr"] > 0.02
    assert sum("test/accuracy" in row for row in metrics_of(folder)) == 1
    entry = run_json.read_json(folder / "run.json")
    assert entry["status"] == "finished" and entry["resumed"][0]["overrides"] == ["epochs=6"]
    assert resume.stored_run(folder)[0]["epochs"] == 6
    assert entry["cell"] != before, "a longer run is another cell"
    asked = [*CNN, "optimizer.lr=0.1"]
    assert resume.find(folder, compose(asked).config) is None
    assert resume.find(folder, compose([*asked, "epochs=6"]).config) == folder


def test_what_follows_another_setting_changes_with_it(workdir: Path) -> None:
    words = [word for word in CNN if not word.startswith("optimizer=")]
    folder = api.run([*words, "optimizer=muon", "augment=growing", "augment.growing.sizes=[8]"], folder="run").folder
    typed = ["epochs=5", "optimizer.lr=0.02", "optimizer.momentum=0.7", "optimizer.parts.filters.momentum=0.65"]
    resume.resume(folder, [*typed, resume.CONSENT])
    config, entry = resume.stored_run(folder)
    filters = config["optimizer"]["parts"]["filters"]
    assert (filters["lr"], filters["momentum"]) == (0.02, 0.65), "the one follows, the other was typed"
    assert config["augment"]["growing"]["epochs"] == 5
    assert entry["resumed"][0]["overrides"] == typed


def test_a_device_that_is_free_to_change_changes_for_the_data_too(workdir: Path) -> None:
    folder = api.run([*folder_of_images(workdir / "images"), "epochs=1", "device=cpu"], folder="run").folder
    config = folder / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("device: cpu", "device: cuda:7"), encoding="utf-8")
    resume.resume(folder, ["epochs=2", "device=cpu"])
    stored, _ = resume.stored_run(folder)
    assert stored["device"] == stored["data"]["device"] == "cpu"


def test_what_fails_in_its_first_step_leaves_the_run_as_it_was(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = api.run(CNN, folder="run").folder
    names = ("run.json", "config.yaml", "metrics.jsonl", "data.json")
    before = {name: (folder / name).read_bytes() for name in names}

    def no_compiler(*_: object, **__: object) -> None:
        raise UserError("there is no compiler here")

    monkeypatch.setattr("dlexp.train.step.compiled_gradients_of", no_compiler)
    with pytest.raises(UserError, match="no compiler"):
        resume.resume(folder, ["compile=true", "epochs=4", resume.CONSENT])
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert resume.resume(folder, ["epochs=4"]).history[-1]["epoch"] == 4


def test_hparams_show_the_last_end(workdir: Path) -> None:
    """What was typed at first and later, and the figures of the longer run, in one row."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    def row() -> tuple[dict[str, Any], dict[str, float]]:
        """Returns columns and metrics as TensorBoard's own backend has them."""
        runs = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(workdir)).Reload()
        context = TBContext(data_provider=data_provider.MultiplexerDataProvider(runs, str(workdir)))
        asked = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[api_pb2.STATUS_SUCCESS])
        backend = backend_context.Context(context)
        found = list_session_groups.Handler(RequestContext(), backend, "", asked).run()
        (group,) = found.session_groups
        columns = {key: value.string_value or value.number_value for key, value in group.hparams.items()}
        return columns, {each.name.tag: each.value for each in group.metric_values}

    folder = api.run([*CNN, "model.dropout=0.1"], folder="run").folder
    first, _ = row()
    longer = resume.resume(folder, ["optimizer.lr=0.02", "epochs=4", resume.CONSENT])
    columns, metrics = row()
    assert columns == {**first, "optimizer.lr": 0.02, "epochs": 4} and columns["model.dropout"] == "0.1"
    assert metrics["final/test/loss"] == pytest.approx(longer.metrics["test/loss"])
    assert metrics["final/val/loss"] == pytest.approx(longer.metrics["val/loss"])
    assert len(list(folder.glob(f"{EVENTS}*"))) == 3, "one for each session, and the row"


@pytest.mark.parametrize("damage", ["replaced", "damaged"])
def test_best_weights_that_are_gone_are_not_taken_for_the_best(
    workdir: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = api.run([*CNN, "epochs=2"], folder="run").folder
    best = folder / "weights" / "best.pt"
    if damage == "replaced":  # by a third epoch, before the process was killed
        checkpoints.save(best, checkpoints.load(best) | {"epoch": 3})
    else:
        best.write_bytes(best.read_bytes()[:500])
    resume.resume(folder, ["epochs=4"])
    assert "the best epoch is chosen anew" in caplog.text
    chosen = run_json.read_json(folder / "run.json")["chosen_epoch"]
    assert chosen in (3, 4) and checkpoints.load(best)["epoch"] == chosen


def test_what_a_resume_refuses(workdir: Path) -> None:
    folder = api.run([*CNN, "epochs=1"], folder="run").folder
    for words, pieces in [
        (["optimizer.lr=0.5"], ["optimizer.lr", "→ 0.5", "accept_changes=true"]),
        (["optimizer=adam"], ["would choose another optimizer"]),
        (["optimzer.lr=3", "seed=1,2"], ["Did you mean 'optimizer.lr'", "several values"]),
        (["epochs=ten"], ["epochs=ten must be a whole number"]),
    ]:
        with pytest.raises(UserError) as error:
            resume.resume(folder, words)
        assert all(piece in str(error.value) for piece in pieces), error.value
    with pytest.raises(UserError, match="is not the folder of a run"):
        resume.resume(workdir, [])
    changed = resume.resume(folder, ["optimizer.lr=0.5", "epochs=2", resume.CONSENT])
    assert changed.history[-1]["epoch"] == 2 and resume.stored_run(folder)[0]["optimizer"]["lr"] == 0.5
    with pytest.raises(UserError, match="another run, which can start from these weights"):
        resume.resume(folder, ["batch_size=16", "epochs=3", resume.CONSENT])


def test_what_needs_consent_is_told_in_one_refusal(workdir: Path) -> None:
    """And consent is asked for only where it suffices."""

    def table(num_rows: int, answer: str = "a") -> None:
        rows = [*(f"{n},{'ab'[n % 2]}" for n in range(num_rows - 1)), f"9,{answer}"]
        Path("data.csv").write_text("\n".join(["x,label", *rows]), encoding="utf-8")

    def refused(*words: str) -> str:
        with pytest.raises(UserError) as error:
            resume.resume(folder, list(words))
        return str(error.value)

    table(60)
    folder = api.run(["data=arrays", "data.file=data.csv", "batch_size=8", "epochs=1", *SHORT], folder="run").folder
    words = ["optimizer.lr=0.5", "model.activation=tanh", "epochs=2"]
    settings, data = "the run in run had other settings: optimizer.lr (", "the data of run changed"
    table(60, "b")
    asked = refused(*words)
    assert all(piece in asked for piece in (settings, "(relu → tanh)", data, f"add {resume.CONSENT}")), asked
    assert len(resume.resume(folder, [*words, resume.CONSENT]).history) == 2
    table(90)
    for consent in ([], [resume.CONSENT]):
        told = refused("optimizer.lr=0.1", "epochs=3", *consent)
        assert "3 things are wrong" in told and settings in told and data in told, told
        assert "the saved epochs have" in told and "add accept" not in told
    table(60, "b")
    (folder / "metrics.jsonl").write_bytes(b"{}}\n" + (folder / "metrics.jsonl").read_bytes())
    assert "line 1, is damaged" in refused("optimizer.lr=0.1")
    for path in saved_states(folder):
        path.unlink()
    assert "its checkpoints are gone" in refused("optimizer.lr=0.1")
    run_json.write_json(folder / "run.json", run_json.read_json(folder / "run.json") | {"status": "running"})
    assert settings in refused("optimizer.lr=0.1"), "it would begin anew in its folder"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_refused_resume_changes_nothing(cli, workdir: Path, status: str) -> None:
    """Width, batch size, damaged states, metrics and data that are gone: each refuses at another moment."""
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(60, 4)).astype("f"), y=np.arange(60) % 3)
    words = [
        "model=mlp",
        "data=arrays",
        "data.file=data.npz",
        "batch_size=8",
        "epochs=3",
        "checkpoint.every_epochs=1",
        *SHORT,
    ]
    folder = api.run(words, folder="run").folder
    if status == "running":
        as_killed_at(folder, read_epochs(folder)[1]["step"], workdir / "killed")
        folder = workdir / "killed"
    before, expected = bytes_of(folder), api.load(folder)(torch.ones(2, 4))

    def refused(words: list[str], reason: str) -> None:
        kept = bytes_of(folder)
        with pytest.raises(UserError, match=reason):
            resume.resume(folder, [*words, "epochs=5"])
        assert bytes_of(folder) == kept

    consent = [resume.CONSENT]
    refused(["model.width=32", "model.activation=tanh", *consent], r"can be used: its layers are others \(.*init_from=")
    refused(["batch_size=16", *consent], "the saved epochs have .* batches, and now they would have")
    refused(["model.activation=tanh"], "add accept_changes=true")
    for path in [*saved_states(folder), folder / "metrics.jsonl"]:
        kept = path.read_bytes()
        path.write_bytes(b"PK" + kept[:9])
        if path.suffix == ".pt":
            for other in (others := [each for each in saved_states(folder) if each != path]):
                other.rename(other.with_suffix(".aside"))
        else:
            others = []
            path.write_bytes(b"{}}\n" + kept)
        refused([], "can't be read: it is damaged|line 1, is damaged")
        path.write_bytes(kept)
        for other in others:
            other.with_suffix(".aside").rename(other)
    Path("data.npz").rename("elsewhere.npz")
    refused([], "data.npz cannot be read")
    Path("elsewhere.npz").rename("data.npz")

    assert bytes_of(folder) == before
    assert torch.equal(api.load(folder)(torch.ones(2, 4)), expected)
    assert cli("verify", str(folder)).code == 0
    resume.resume(folder, [])
    assert run_json.read_json(folder / "run.json")["status"] == "finished"
    assert_same(folder, workdir / "run")


def test_a_finished_run_without_states_is_left_as_it_is(workdir: Path) -> None:
    folder = api.run([*CNN, "epochs=1"], folder="run").folder
    for path in saved_states(folder):
        path.unlink()
    before = bytes_of(folder)
    with pytest.raises(UserError, match="its checkpoints are gone.; init_from=run starts a new run"):
        resume.resume(folder, ["epochs=2"])
    assert bytes_of(folder) == before


@pytest.mark.parametrize(
    ("words", "more", "sentence"),
    [
        ([*CNN, "epochs=2"], ["epochs=1"], "run has 26 steps behind it, and with these settings it would have ended"),
        (
            ["data=linear", "model=linear", "task=regression", "criterion=mse", *SHORT, "method=least_squares"],
            ["epochs=2"],
            "in one step, so nothing is left",
        ),
    ],
)
def test_less_than_was_trained_is_no_going_on(workdir: Path, words: list[str], more: list[str], sentence: str) -> None:
    folder = api.run(words, folder="run").folder
    before = bytes_of(folder)
    with pytest.raises(UserError, match=f"{sentence}.* init_from=run starts another run from its weights"):
        resume.resume(folder, more)
    assert bytes_of(folder) == before


def images(folder: Path, count: int = 20) -> list[str]:
    """Writes `count` images of cats and as many of dogs; returns the words of a run on them."""
    random = np.random.default_rng(0)
    for number in range(2 * count):
        (folder / ("cat", "dog")[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / ("cat", "dog")[number % 2] / f"{number:03}.png")
    return [
        "model=cnn",
        "data=image_folder",
        f"data.folder={folder}",
        "data.size=8",
        "batch_size=8",
        "epochs=1",
        *SHORT,
    ]


def one_more(folder: Path) -> None:
    shutil.copy(folder / "cat" / "000.png", folder / "cat" / "a-copy.png")


def exchanged(folder: Path) -> None:
    """In place, with the sizes and times that the files had."""
    one, other = folder / "cat" / "000.png", folder / "dog" / "001.png"
    facts = [each.stat() for each in (one, other)]
    one.rename(folder / "aside"), other.rename(one), (folder / "aside").rename(other)
    for each, fact in zip((one, other), facts, strict=True):
        os.utime(each, ns=(fact.st_atime_ns, fact.st_mtime_ns))


def renamed(folder: Path) -> None:
    (folder / "cat").rename(folder / "kitten")


@pytest.mark.parametrize("streamed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", [one_more, exchanged, renamed])
def test_changed_images_need_consent(workdir: Path, caplog, change: Any, streamed: bool) -> None:
    words = [*images(workdir / "images"), f"data.in_memory={str(not streamed).lower()}", "data.workers=1"]
    folder = api.run(words, folder="run").folder
    before, entry = bytes_of(folder), run_json.read_json(folder / "run.json")
    assert checkpoints.load(saved_states(folder)[0])["data"]["fingerprint"] == entry["data"]
    os.utime(workdir / "images" / "cat" / "000.png")
    assert resume.resume(folder, ["epochs=1"]).folder == folder
    change(workdir / "images")
    with pytest.raises(UserError) as error:
        resume.resume(folder, ["epochs=2"])
    text = str(error.value)
    assert "the data of run changed since it was trained" in text and "test set" in text and resume.CONSENT in text
    assert ("its classes were cat, dog and are dog, kitten" in text) is (change is renamed)
    assert bytes_of(folder) == before
    resume.resume(folder, ["epochs=2", resume.CONSENT])
    assert "warning: the data of run changed" in caplog.text and "chosen anew" in caplog.text
    now = run_json.read_json(folder / "run.json")
    assert now["data"] != entry["data"] and now["chosen_epoch"] == 2, "epoch 1 was measured on other samples"
    resume.resume(folder, ["epochs=3"])


def test_a_run_that_does_not_say_what_data_it_had_needs_consent(workdir: Path) -> None:
    folder = api.run([*CNN, "epochs=1"], folder="run").folder
    for path in saved_states(folder):
        saved = checkpoints.load(path)
        del saved["data"]
        checkpoints.save(path, saved)
    with pytest.raises(UserError, match="does not say what data it was trained on"):
        resume.resume(folder, ["epochs=2"])
    assert len(resume.resume(folder, ["epochs=2", resume.CONSENT]).history) == 2


def test_resume_auto_begins_anew_where_the_data_changed(cli, workdir: Path) -> None:
    def table(answer: str) -> None:
        Path("data.csv").write_text(
            "\n".join(["x,label", *(f"{n},{'ab'[n % 2]}" for n in range(59)), f"9,{answer}"]), encoding="utf-8"
        )

    words = ["data=arrays", "data.file=data.csv", "batch_size=8", "epochs=1", *SHORT]
    table("a")
    assert cli(*words, "resume=auto").code == 0
    assert "outputs/mlp-arrays-sgd is finished" in cli(*words, "resume=auto").out
    table("b")
    changed = "the data changed since outputs/mlp-arrays-sgd was trained"
    assert f"{changed}: no epoch of it can be replayed" in cli("verify", "outputs/mlp-arrays-sgd").err
    ended = cli(*words, "resume=auto")
    assert ended.code == 0 and f"{changed}: a new run begins" in ended.out
    assert (workdir / "outputs" / "mlp-arrays-sgd-2").is_dir()
    assert "outputs/mlp-arrays-sgd-2 is finished" in cli(*words, "resume=auto").out
    refused = cli(*words, "resume=auto", "hydra.run.dir=outputs/mlp-arrays-sgd")
    assert refused.code == 1 and "another hydra.run.dir= begins a new run" in refused.err


def test_initial_weights_of_classes_in_another_order(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = ["data.points_per_class=60", "max_steps=2", *SHORT]
    api.run([*words, "data.class_names=[x,y,z]"], folder="first")
    assert api.run([*words, "data.class_names=[x,y,z]", "init_from=first"], folder="same").metrics
    assert api.run([*words, "data.class_names=[k,l,m]", "init_from=first"], folder="others").metrics
    other = [*words, "data.class_names=[x,z,y]"]
    with pytest.raises(
        UserError, match="'z' was 2 and is 1 .they were x, y, z and are x, z, y.*init_from=first.weights"
    ):
        api.run([*other, "init_from=first"], folder="refused")
    assert api.run([*other, "init_from=first/weights/last.pt"], folder="all-the-same").metrics
    assert "warning: the classes of first have other numbers than now" in caplog.text


def test_a_finished_run_is_recognised(cli, workdir: Path) -> None:
    words = ["data.points_per_class=60", "epochs=2", *SHORT]
    first = cli(*words, "resume=auto")
    assert first.code == 0 and "test accuracy" in first.out
    again = cli(*words, "resume=auto")
    assert again.code == 0 and "outputs/mlp-spiral-sgd is finished" in again.out and "epoch 1" not in again.out
    other = cli(*words, "resume=auto", "seed=1")
    assert other.code == 0 and "outputs/mlp-spiral-sgd-2" in other.out
    assert "a sweep is continued by typing it again" in cli("-m", "resume=auto", "seed=1,2").err


def test_a_folder_in_use_is_left_alone(cli, workdir: Path) -> None:
    folder = api.run([*CNN, "epochs=1"], folder="run").folder
    code = "import sys,time;from dlexp.machine.lock_file import locked;from pathlib import Path\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(folder / LOCK)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        ended = cli("resume=run", "epochs=2")
        holder.kill()
    assert ended.code == 1 and "another process trains in run" in ended.err


def test_a_full_disk_keeps_the_old_state_and_the_training(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, calls = checkpoints.whole_file, []

    def whole_file(path: Path) -> Any:
        if "checkpoints" in path.parts:
            calls.append(path.name)
            if len(calls) in (2, 3):
                raise OSError(28, "No space left on device")
        return real(path)

    monkeypatch.setattr(checkpoints, "whole_file", whole_file)
    monkeypatch.setattr(checkpoints, "RETRY_SECONDS", 0.0)
    result = api.run([*CNN, "checkpoint.every_steps=10"], folder="run")
    assert result.history[-1]["epoch"] == 3 and len(calls) > 3
    assert "could not be saved (No space left on device); the newest one kept is step-00000010.pt" in caplog.text
    assert saved_states(Path("run"))[0].name == "step-00000039.pt"


def test_a_failing_last_save_is_a_failure(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole_file(path: Path) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "whole_file", whole_file)
    with pytest.raises(UserError, match="could not be saved: No space left"):
        api.run([*CNN, "epochs=1", "data.val_size=0"], folder="run")
    assert run_json.read_json(Path("run/run.json"))["status"] == "failed"


@POSIX
@pytest.mark.parametrize(
    ("name", "code"),
    [("SIGTERM", 143), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("SIGUSR1", 138), ("SIGINT", 130)))],
)
def test_a_signal_saves_and_stops(workdir: Path, name: str, code: int) -> None:
    words = ["data.points_per_class=300", "epochs=400", "batch_size=32", *SHORT]
    process = start(
        [*words, "hydra.run.dir=run"], workdir, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                process.send_signal(getattr(signal, name))
                break
        out = process.stdout.read()
    assert process.returncode == code and "Traceback" not in out, out
    assert "saving and stopping" in out and "resume=run goes on from here" in out
    entry = run_json.read_json(workdir / "run" / "run.json")
    assert entry["status"] == "stopped" and saved_states(workdir / "run")
