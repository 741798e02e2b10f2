"""One run from its command to its folder: what is recorded, what is said, what the settings do."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import dlexp
from dlexp import api, pictures
from dlexp.config import build
from dlexp.config.compose import compose
from dlexp.console import training_progress
from dlexp.errors import UserError
from dlexp.experiment import description
from dlexp.records import run_json
from dlexp.records.result import Result

SPIRAL = ["data.points_per_class=100", "pictures=false", "threads=1"]
IMAGES = ["data=fake", "data.shape=[3,12,12]", "data.num_outputs=4", "data.num_samples=240", "data.num_test_samples=60"]
CNN = [*IMAGES, "model=cnn", "model.widths=[4,8]", "batch_size=32", "precision=float32", "threads=1"]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def epochs(folder: Path) -> list[dict[str, Any]]:
    return [line for line in lines(folder) if line["kind"] == "epoch"]


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if not key.startswith("time/")} for line in records]


@pytest.fixture(scope="module")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A classification of images with everything on."""
    folder = tmp_path_factory.mktemp("runs") / "images"
    words = [*CNN, "epochs=2", "augment=crop_flip", "ema=ema", "ema.every=1", "log_steps=3", "seed=5"]
    return api.run(words, folder=folder)


def test_the_run_folder_holds_everything(image_run: Result) -> None:
    folder = image_run.folder
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".lock"}
    pictures = {"loss", "accuracy", "training_images", "confusion_matrix", "per_class_accuracy", "mistakes"}
    expected = {"config.yaml", "run.json", "environment.json", "data.json", "model.json", "model.txt", "metrics.jsonl"}
    expected |= {"results.json", "log.txt", "weights/best.pt", "weights/last.pt", "checkpoints/step-00000012.pt"}
    expected |= {f"plots/{name}.png" for name in pictures}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 2 and names - events == expected
    assert all((folder / name).stat().st_size > 0 for name in names)


def test_augmentations_compose_and_mixed_classes_are_shown(workdir: Path) -> None:
    words = [*CNN, "epochs=2", "augment=[crop_flip,mixup_cutmix]", "criterion.label_smoothing=0.1"]
    result = api.run(words, folder=workdir / "run")
    assert run_json.read_json(result.folder / "run.json")["choices"]["augment"] == "[crop_flip,mixup_cutmix]"
    assert list(yaml.safe_load((result.folder / "config.yaml").read_text(encoding="utf-8"))["augment"]) == [
        "crop",
        "flip",
        "mixup_cutmix",
    ]
    assert (result.folder / "plots" / "training_images.png").stat().st_size > 0
    assert all(0 < line["train/accuracy"] < 1 for line in result.history)
    again = api.run(words, folder=workdir / "again")
    assert without_times(again.history) == without_times(result.history)


def test_the_titles_of_mixed_images_name_both_classes() -> None:
    names = ["cat", "dog", "automobile"]
    targets = [torch.tensor(2), torch.tensor([0.0, 0.7, 0.3]), torch.tensor([0.0, 1.0, 0.0])]
    assert [description.title(each, names) for each in targets] == ["automobile", "dog 70% autom…", "dog"]


def test_no_augmentation_may_be_an_empty_list(workdir: Path) -> None:
    nothing = compose(["augment=[]"])
    assert nothing.config["augment"] == {} and nothing.choices["augment"] == "[]"
    assert nothing.config == compose(["augment=none"]).config


def test_run_json(image_run: Result) -> None:
    found = run_json.read_json(image_run.folder / "run.json")
    assert (found["status"], found["seed"], found["error"], found["format_version"]) == ("finished", 5, None, 2)
    assert found["metrics"] == image_run.metrics and found["chosen_epoch"] in (1, 2)
    assert "ema=ema" in found["overrides"] and found["choices"]["model"] == "cnn"
    assert found["seconds"] > 0 and found["started"] <= found["ended"]


def test_the_config_is_resolved(image_run: Result) -> None:
    text = (image_run.folder / "config.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    assert "${" not in text and "hydra" not in found
    assert found["model"]["shape"] == [3, 12, 12] and found["seed"] == 5
    assert isinstance(found["optimizer"]["lr"], float)


def test_facts_of_data_model_and_machine(image_run: Result) -> None:
    data = run_json.read_json(image_run.folder / "data.json")
    assert data["sizes"] == {"train": 216, "val": 24, "test": 60}
    assert data["shape"] == [3, 12, 12] and len(data["class_names"]) == data["num_outputs"] == 4
    assert len(data["normalisation"]["inputs"]["mean"]) == len(data["normalisation"]["inputs"]["std"]) == 3
    model = run_json.read_json(image_run.folder / "model.json")
    assert model["parameters"] == sum(layer["parameters"] for layer in model["layers"]) > 0 and model["flops"] > 0
    assert "Conv2d" in (image_run.folder / "model.txt").read_text(encoding="utf-8")
    environment = run_json.read_json(image_run.folder / "environment.json")
    assert torch.__version__.startswith(environment["packages"]["torch"]) and environment["device"]["threads"] == 1
    assert "git" in environment and environment["device"]["precision"] == "float32"


def test_metrics(image_run: Result) -> None:
    records = lines(image_run.folder)
    rows = epochs(image_run.folder)
    assert [row["epoch"] for row in rows] == [1, 2] and [row["step"] for row in rows] == [6, 12]
    for row in rows:
        assert {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "time/samples_per_second"} <= set(row)
        assert 0 <= row["train/accuracy"] <= 1 and 0 <= row["val/accuracy"] <= 1
    assert [row["step"] for row in records if row["kind"] == "steps"] == [3, 6, 9, 12]
    last = records[-1]
    assert 0 <= last["test/accuracy"] <= 1 and last["test/loss"] > 0 and {"epoch", "step"} <= set(last)
    assert last["test/accuracy"] == image_run.metrics["test/accuracy"]
    assert [row["epoch"] for row in image_run.history] == [1, 2]
    results = run_json.read_json(image_run.folder / "results.json")
    assert set(results["per_class_accuracy"]) == {"class 0", "class 1", "class 2", "class 3"}


def test_the_tags_in_tensorboard(image_run: Result) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(image_run.folder)).Reload()
    tags = events.Tags()
    curves = {f"curves/{split}/{name}" for split in ("train", "val") for name in ("loss", "accuracy")}
    wanted = curves | {"details/lr", "time/samples_per_second", "final/test/loss", "final/test/accuracy"}
    assert wanted <= set(tags["scalars"])
    shown = {"training_images", "confusion_matrix", "per_class_accuracy", "mistakes", "loss", "accuracy"}
    assert {f"views/{name}" for name in shown} == set(tags["images"])
    assert {"config/text_summary", "model/text_summary"} <= set(tags["tensors"])
    assert tags["graph"], "this model can be traced"
    assert "_hparams_/session_start_info" in events.summary_metadata
    (test,) = events.Scalars("final/test/accuracy")
    assert test.value == pytest.approx(image_run.metrics["test/accuracy"], rel=1e-6)
    assert [point.step for point in events.Scalars("curves/val/loss")] == [6, 12]


def test_the_log_tells_the_run(image_run: Result) -> None:
    text = (image_run.folder / "log.txt").read_text(encoding="utf-8")
    for piece in (
        "cnn on fake with sgd",
        "parameters",
        "epoch 2/2  train loss",
        "test accuracy",
        "run folder",
        "tensorboard --logdir",
    ):
        assert piece in text


def test_pictures_of_points_and_of_values(workdir: Path) -> None:
    api.run(["data.points_per_class=30", "max_steps=3"], folder="points")
    assert Path("points/plots/decision_regions.png").is_file() and not Path("points/plots/mistakes.png").exists()
    api.run(["experiment=linear_regression", "data.num_points=60", "max_steps=3"], folder="values")
    names = {path.stem for path in Path("values/plots").iterdir()}
    assert "prediction_against_truth" in names and "loss" in names and not {"accuracy", "confusion_matrix"} & names


def test_pictures_false_makes_none(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    class Guard:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            assert name != "dlexp.pictures.lines", "drawing is imported"

    monkeypatch.setattr(sys, "meta_path", [Guard(), *sys.meta_path])
    for name in [each for each in sys.modules if each.startswith("dlexp.pictures")]:
        monkeypatch.delitem(sys.modules, name)
    folder = api.run([*CNN, "max_steps=2", "pictures=false"], folder="run").folder
    assert not (folder / "plots").exists() and not list(folder.rglob("*.png"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = EventAccumulator(str(folder)).Reload().Tags()
    assert tags["images"] == [] and not tags["graph"] and "curves/val/loss" in tags["scalars"]


def test_two_runs_give_the_same_numbers(workdir: Path) -> None:
    words = [
        *CNN,
        "model.dropout=0.3",
        "augment=crop_flip_cutout",
        "ema=ema",
        "epochs=2",
        "log_steps=2",
        "pictures=false",
    ]
    first, second = (api.run(words, folder=name) for name in ("a", "b"))
    assert without_times(lines(first.folder)) == without_times(lines(second.folder))
    one, two = (torch.load(Path(name) / "weights" / "last.pt", weights_only=True)["model"] for name in ("a", "b"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = api.run([*words, "seed=1"], folder="c")
    assert without_times(lines(first.folder)) != without_times(lines(other.folder))


def test_pictures_do_not_change_the_training(workdir: Path) -> None:
    words = [*CNN, "model.dropout=0.3", "augment=crop_flip", "epochs=1"]
    first, second = api.run([*words, "pictures=false"], folder="a"), api.run(words, folder="b")
    assert without_times(lines(first.folder)) == without_times(lines(second.folder))


def test_accumulated_batches_are_one_large_batch(workdir: Path) -> None:
    plain = ["data.points_per_class=400", "pictures=false", "scheduler=constant", "epochs=2", "optimizer.lr=0.1"]
    large = api.run([*plain, "batch_size=270"], folder="large")
    small = api.run([*plain, "batch_size=90", "accumulate=3"], folder="small")
    for one, two in zip(large.history, small.history, strict=True):
        assert one["step"] == two["step"]
        for key in ("train/loss", "val/loss", "train/accuracy"):
            assert one[key] == pytest.approx(two[key], rel=1e-4), key
    uneven = api.run([*plain, "batch_size=100", "accumulate=4", "epochs=1"], folder="uneven")
    assert uneven.history[-1]["step"] == 3, "ten batches are two groups of four and one of two"


@pytest.mark.slow
def test_clipped_gradients_hardly_move(workdir: Path) -> None:
    words = [*SPIRAL, "epochs=3", "batch_size=90", "optimizer.lr=0.1"]
    free = api.run(words, folder="free").history
    clipped = api.run([*words, "grad_clip=1e-7"], folder="clipped").history
    assert (
        abs(clipped[0]["val/loss"] - clipped[-1]["val/loss"]) < 1e-4 < abs(free[0]["val/loss"] - free[-1]["val/loss"])
    )
    loose = api.run([*words, "grad_clip=1e6"], folder="loose").history
    assert without_times(loose) == without_times(free)


def test_max_steps(workdir: Path) -> None:
    result = api.run([*SPIRAL, "batch_size=90", "max_steps=5", "epochs=50"], folder="run")
    assert [row["step"] for row in result.history] == [3, 5]
    assert result.history[-1]["lr"] == pytest.approx(0, abs=1e-9), "the schedule ends where the run ends"
    assert "val/loss" in result.history[-1]


def test_the_columns_of_hparams_are_what_changes_a_result(workdir: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    quiet = ["rerun=true", "on_error=stop", "checkpoint.every_steps=9", "log_steps=3", "data.download=false"]
    result = api.run([*SPIRAL, *quiet, "max_steps=2", "model.width=8"], folder="run")
    data = EventAccumulator(str(result.folder)).Reload().summary_metadata
    start = metadata.parse_session_start_info_plugin_data(data[metadata.SESSION_START_INFO_TAG].plugin_data.content)
    typed = {"max_steps", "model.width", "data.points_per_class"}
    always = {"model", "data", "optimizer", "seed", "epochs", "batch_size", "optimizer.lr", "optimizer.weight_decay"}
    assert set(start.hparams) == typed | always


def test_a_part_of_an_optimizer_that_finds_nothing_is_told(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    api.run([*SPIRAL, "optimizer=muon", "max_steps=1"], folder="run")
    told = "optimizer.parts.filters finds no parameter in this model: its settings change nothing"
    assert caplog.text.count(told) == 1 and "optimizer.parts.others" not in caplog.text


def test_the_pictures_show_the_test_value(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.text import Text

    drawn: dict[str, Any] = {}

    def spy(*args: Any, **options: Any) -> Any:
        drawn.update(curves(*args, **options))
        return drawn

    curves = pictures.curves
    monkeypatch.setattr(pictures, "curves", spy)
    result = api.run([*SPIRAL, "pictures=true", "epochs=2"], folder="run")
    words = {name: [text.get_text() for text in figure.findobj(Text)] for name, figure in drawn.items()}
    assert f"test  {100 * result.metrics['test/accuracy']:.2f} %" in words["accuracy"]
    assert f"test  {result.metrics['test/loss']:.4g}" in words["loss"]


def test_validation_every_other_epoch(workdir: Path) -> None:
    history = api.run([*SPIRAL, "batch_size=90", "epochs=3", "val_every=2"], folder="run").history
    assert ["val/loss" in row for row in history] == [False, True, True]


def test_patience(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SPIRAL, "epochs=30", "patience=3", "optimizer.lr=1e-30"]
    result = api.run(words, folder="run")
    assert len(result.history) == 4 and "stopping early" in capsys.readouterr().out
    assert run_json.read_json(result.folder / "run.json")["chosen_epoch"] == 1


def test_the_best_weights_are_tested(workdir: Path) -> None:
    """A learning rate that ruins the weights later: the early epoch is chosen, and tested."""
    words = [*SPIRAL, "epochs=6", "batch_size=90", "optimizer=sgd", "scheduler=cosine", "scheduler.warmup=0.9"]
    result = api.run([*words, "optimizer.lr=20"], folder="run")
    best = max(result.history, key=lambda row: (row["val/accuracy"], -row["val/loss"]))
    found = run_json.read_json(result.folder / "run.json")
    assert found["chosen_epoch"] == best["epoch"] < 6 and result.metrics["val/accuracy"] == best["val/accuracy"]
    assert result.objective == best["val/accuracy"]
    saved = torch.load(result.folder / "weights" / "best.pt", weights_only=True)
    assert saved["epoch"] == best["epoch"]
    assert torch.load(result.folder / "weights" / "last.pt", weights_only=True)["epoch"] == 6


def test_without_validation_the_last_weights_are_tested(workdir: Path) -> None:
    result = api.run([*SPIRAL, "data.val_size=0", "epochs=2"], folder="run")
    assert not any(key.startswith("val/") for row in lines(result.folder) for key in row)
    assert not (result.folder / "weights" / "best.pt").exists() and "test/accuracy" in result.metrics
    assert run_json.read_json(result.folder / "run.json")["chosen_epoch"] is None
    assert run_json.read_json(result.folder / "data.json")["sizes"] == {"train": 300, "test": 300}
    assert result.objective is None


def test_a_sealed_test_set_is_not_touched(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dlexp.experiment.assemble

    def sealed(node: Any) -> Any:
        splits = load_data(node)
        nothing = torch.full_like(splits.test.inputs, math.nan)
        return splits.__class__(splits.train, splits.test.__class__(nothing, splits.test.targets), splits.val)

    load_data = dlexp.experiment.assemble.load_data
    monkeypatch.setattr(dlexp.experiment.assemble, "load_data", sealed)
    result = api.run([*SPIRAL, "test=false", "epochs=2"], folder="run")
    assert not any("test/" in key for row in lines(result.folder) for key in row)
    assert not any("test/" in key for key in result.metrics) and math.isfinite(result.metrics["val/loss"])


def test_limit(workdir: Path) -> None:
    api.run([*SPIRAL, "data.limit=50", "max_steps=1"], folder="run")
    assert set(run_json.read_json(Path("run/data.json"))["sizes"].values()) <= {50, 45, 5, 30}


def test_a_few_batches_are_learnt_by_heart(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SPIRAL, "overfit_batches=2", "batch_size=16", "optimizer=adam", "optimizer.lr=0.01", "scheduler=constant"]
    result = api.run(words, folder="pass")
    out = capsys.readouterr().out
    assert "PASS: 2 batches learnt by heart (accuracy 100.0 %" in (result.folder / "log.txt").read_text(
        encoding="utf-8"
    )
    assert "epoch" in out and not any("test/" in key for key in result.metrics)
    api.run([*words[:-2], "optimizer.lr=1e-30"], folder="fail")
    assert "FAIL: 2 batches not learnt" in Path("fail/log.txt").read_text(encoding="utf-8")


def test_a_few_batches_hold_all_classes(workdir: Path) -> None:
    """Samples of the spiral are sorted by class, and one class is learnt by heart in a step."""
    words = [*SPIRAL, "overfit_batches=1", "batch_size=16", "optimizer=adam", "optimizer.lr=0.01", "scheduler=constant"]
    result = api.run(words, folder="run")
    assert len(result.history) > 5 and result.history[0]["train/accuracy"] < 0.9


@pytest.mark.slow
def test_the_accuracy_of_a_few_batches_counts_the_samples_that_are_there(workdir: Path) -> None:
    words = [*SPIRAL, "overfit_batches=1", "batch_size=4096", "optimizer=adam", "optimizer.lr=0.01"]
    last = [row for row in lines(api.run(words, folder="run").folder) if row["kind"] == "epoch"][-1]
    assert last["train/accuracy"] > 0.9 and last["time/samples_per_second"] > 0


def test_a_regression_learns_by_heart_too(workdir: Path) -> None:
    api.run(["experiment=linear_regression", "overfit_batches=1", "batch_size=10", "pictures=false"], folder="run")
    assert "PASS: 1 batch learnt" in Path("run/log.txt").read_text(encoding="utf-8")


def test_a_loss_that_is_no_number_ends_the_run(cli, workdir: Path) -> None:
    ended = cli(*SPIRAL, "optimizer.lr=1e30", "epochs=3")
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err
    for piece in (
        "loss became",
        "epoch 1",
        "step ",
        "learning rate",
        "optimizer.lr=0.1 (the rate of",
        "mlp-spiral-sgd",
    ):
        assert piece in ended.err, ended.err
    folder = workdir / "outputs" / "mlp-spiral-sgd"
    found = run_json.read_json(folder / "run.json")
    assert found["status"] == "failed" and "loss became" in found["error"]
    assert not (folder / "weights" / "last.pt").exists(), "weights that are no numbers are never saved"
    assert (folder / "config.yaml").is_file()
    assert "NaN" not in (folder / "metrics.jsonl").read_text(encoding="utf-8")


def test_the_learning_rate_of_a_loss_that_is_no_number_is_that_of_its_step(cli, workdir: Path) -> None:
    """A schedule that ends at 0 has come there when the last epoch is looked at."""
    ended = cli(*SPIRAL, "scheduler=linear", "scheduler.warmup=0", "optimizer.lr=1e30", "max_steps=4", "batch_size=64")
    words = ended.err.partition("in epoch 1 at step ")[2].replace(")", " ").split()
    assert float(words[3]) == pytest.approx(1e30 * (5 - int(words[0])) / 4), words[:4]


def test_a_run_that_stays_at_chance_says_so(cli) -> None:
    words = ["data=fake", "data.shape=[8]", "model.activation=sigmoid", "model.depth=8", "model.width=16"]
    ended = cli(*words, "optimizer.lr=1e-12", "batch_size=16", "epochs=3", "pictures=false")
    assert ended.code == 0
    assert ended.out.count("nothing is being learnt") == 1, ended.out
    for piece in (
        "guessing gives loss 2.303, accuracy 10.0 %",
        "8 layers of Sigmoid",
        "model.activation=relu",
        "batch norm",
    ):
        assert piece in ended.out
    assert "nothing is being learnt" not in cli(*SPIRAL, "epochs=100").out


def test_the_time_it_takes_is_told(workdir: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(training_progress, "WARMUP_SECONDS", 0.0)
    api.run([*SPIRAL, "epochs=4", "log_steps=1"], folder="run")
    out = capsys.readouterr().out
    assert out.count("for 4 epochs") == 1 and ("about" in out or "under a second" in out)


def test_linear_regression_finds_its_coefficients(workdir: Path) -> None:
    result = api.run(["experiment=linear_regression", "pictures=false"], folder="run")
    found = run_json.read_json(result.folder / "results.json")["coefficients"]
    assert found["w"] == pytest.approx([2.0, -3.4], abs=0.01) and found["b"] == pytest.approx(4.2, abs=0.01)
    assert "learnt: w = [" in (result.folder / "log.txt").read_text(encoding="utf-8")


def test_statuses_and_folders(cli, workdir: Path) -> None:
    first, second = cli(*SPIRAL, "max_steps=1"), cli(*SPIRAL, "max_steps=1")
    assert first.code == second.code == 0
    assert sorted(path.name for path in (workdir / "outputs").iterdir()) == ["mlp-spiral-sgd", "mlp-spiral-sgd-2"]
    assert "run folder   " in first.out and "tensorboard --logdir outputs" in first.out
    assert "test accuracy" in first.out and first.err == ""
    again = cli(*SPIRAL, "max_steps=1", "hydra.run.dir=outputs/mlp-spiral-sgd")
    assert again.code == 1 and "holds a run already" in again.err


def test_run_and_load_from_python(workdir: Path) -> None:
    result = dlexp.run([*SPIRAL, "epochs=5"])
    assert result.folder == Path("outputs/mlp-spiral-sgd") and result.metrics["test/accuracy"] > 0.4
    model = dlexp.load(result.folder)
    config = compose(SPIRAL).config
    test = build.load_data(config["data"]).test
    outputs = model(test.inputs)
    assert outputs.shape == (300, 3) and not outputs.requires_grad
    accuracy = (outputs.argmax(dim=1) == test.targets).float().mean().item()
    assert accuracy == pytest.approx(result.metrics["test/accuracy"], abs=1e-6)


def test_a_loaded_image_model_takes_bytes_and_fractions(image_run: Result) -> None:
    model = dlexp.load(str(image_run.folder))
    images = torch.randint(0, 256, (5, 3, 12, 12), dtype=torch.uint8)
    assert torch.allclose(model(images), model(images / 255), atol=1e-5)
    assert torch.equal(model(images), model(images)), "dropout is off"


def test_loading_what_is_no_run(workdir: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not the folder of a run"):
        dlexp.load("nowhere")
    folder = api.run([*SPIRAL, "max_steps=1"], folder="run").folder
    (folder / "weights" / "best.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match="best.pt can't be read"):
        dlexp.load(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["model"] = {"_target_": "os.system", "command": "touch harm"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(UserError, match="not allowed"):
        dlexp.load(folder)
    assert not Path("harm").exists()


def test_mistakes_from_python_are_raised(workdir: Path) -> None:
    with pytest.raises(UserError, match="'vgg16'"):
        dlexp.run(["model=vgg61"])
    with pytest.raises(UserError, match="epochs=0 must be"):
        dlexp.run(["epochs=0"])
    assert not list(workdir.iterdir())
    with pytest.raises(AttributeError):
        dlexp.nothing  # noqa: B018


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_precisions(workdir: Path, precision: str) -> None:
    result = api.run([*CNN, f"precision={precision}", "max_steps=3", "pictures=false"], folder="run")
    assert run_json.read_json(result.folder / "environment.json")["device"]["precision"] == precision
    assert all(map(math.isfinite, result.metrics.values()))


def test_deterministic(workdir: Path) -> None:
    try:
        result = api.run([*CNN, "deterministic=true", "max_steps=2", "pictures=false"], folder="run")
        assert run_json.read_json(result.folder / "environment.json")["device"]["deterministic"] is True
    finally:
        torch.use_deterministic_algorithms(False)
