"""Random input, half of it nearly right: it ends in a sentence (UserError) or runs; any other exception is a failure.

By default a few of each kind; `DLEXP_PROOF=full pytest tests/end_to_end/test_fuzz.py -m "" -s` tries 2,400 new ones.
"""

import io
import itertools
import json
import os
import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import a_process_of_its_own
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from small import AS_IT_LOOKS, NO_FILES, NO_FILES_OF_IMAGES

from dlexp import api
from dlexp.commands import diff, verify
from dlexp.config import registry
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.data.arrays import arrays
from dlexp.data.formats.cifar_batches import parse_batch
from dlexp.data.formats.idx import parse_idx
from dlexp.data.image_folder import image_folder
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.records.folder import saved_states
from dlexp.sweep.ledger import read_ledger

FULL = os.environ.get("DLEXP_PROOF") == "full"
TINY = ["data.points_per_class=20", "epochs=2", "batch_size=32", "pictures=false", "threads=1", "model.width=8"]
counts: dict[str, int] = {}


def examples(in_full: int) -> Callable[..., Any]:
    """Settings of hypothesis: by default a fortieth and always the same, in the full proof all, and new ones."""
    return settings(
        max_examples=in_full if FULL else in_full // 40,
        deadline=None,
        derandomize=not FULL,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def ends_in_a_sentence(kind: str, function: Callable[[], Any]) -> None:
    counts[kind] = counts.get(kind, 0) + 1
    try:
        function()
    except UserError as error:
        assert str(error).strip()


@pytest.fixture(scope="module", autouse=True)
def told() -> Any:
    yield
    print(f"\nfuzzed: {sum(counts.values())} inputs ({', '.join(f'{n} {kind}' for kind, n in counts.items())})")


# Values a person, a script or a cat on the keyboard may type.
numbers = st.one_of(st.sampled_from([-1, 0, 1, 2, 7, 1000, 10**9, 10**20]), st.floats(width=32)).map(str)
odd = st.sampled_from([
    "null", "true", "[1,2]", "[]", "{a:1}", "{}", "${seed}", "${nothing}", "${oc.env:NOTHING}", "'", '"', "a,b",
    "range(1,3)", "choice(1,2)", "interval(0,1)", "1e999", "nan", "C:\\new\\table", "../..", "~", "", " ", "=", "a b",
    "数据", "os.system", "torch.nn.ReLU", "[[1],[2]]", "{a: {b: [1]}}", "?!", "\x00", "\n", "@", "???", "1_000", "0x10",
    "${model}", "cuda:99",
])  # fmt: skip
values = st.one_of(numbers, odd, st.text(max_size=8), st.sampled_from(sum(registry.groups().values(), [])))
KEYS = """
epochs batch_size seed device precision grad_clip accumulate max_steps threads init_from freeze test patience
overfit_batches optimizer.lr optimizer.momentum optimizer.betas optimizer.nested.key model.width model.dropout
model.name model.activation model._target_ data.limit data.root data.val_size data.shape data.num_outputs
data.class_names data.mean data.folder data.file scheduler.warmup augment.crop augment.crop.padding checkpoint
checkpoint.every_steps hydra hydra.run.dir hydra.sweep.dir hydra.verbose run_folder
""".split()
keys = st.one_of(st.sampled_from([*registry.groups(), *KEYS]), st.text(max_size=8))
signs = st.sampled_from(["", "", "", "", "+", "++", "~"])
equals = st.sampled_from(["=", "=", "=", "=", "", "=="])
overrides = st.lists(st.tuples(signs, keys, equals, values).map("".join), max_size=4)


@pytest.mark.timeout(3600)
@examples(800)
@given(words=overrides)
@pytest.mark.slow
def test_override_lines(words: list[str]) -> None:
    def compose_and_check() -> None:
        config = compose(words).config
        check(config)

    ends_in_a_sentence("override lines", compose_and_check)


@pytest.mark.timeout(3600)
@examples(100)
@given(words=overrides)
def test_command_lines(cli, words: list[str]) -> None:
    counts["command lines"] = counts.get("command lines", 0) + 1
    words = [word for word in words if not word.startswith(("-", "resume", "allow"))]
    ended = cli("epochs=1", *words, "--cfg", "job")
    assert ended.code in (0, 1) and "Traceback" not in ended.err + ended.out, ended


leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=6), numbers)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


@st.composite
def changed(draw: Any, tree: Any) -> Any:
    """A copy of nested dicts and lists with one place replaced, removed or added."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(tree, key=str)))
        if not draw(st.integers(0, 5)):
            return {name: value for name, value in tree.items() if name != key}
        return {**tree, key: draw(changed(tree[key]))}
    if isinstance(tree, list) and tree and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(tree) - 1))
        return [*tree[:index], draw(changed(tree[index])), *tree[index + 1 :]]
    return draw(trees)


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """Bytes that were cut, changed in a place, or had something put in."""
    place = draw(st.integers(0, len(content)))
    how = draw(st.sampled_from(["cut", "change", "insert", "zeros"]))
    new = draw(st.binary(min_size=1, max_size=8))
    if how == "cut":
        return content[:place]
    if how == "zeros":
        return content[:place] + bytes(len(content[place : place + 512])) + content[place + 512 :]
    return content[:place] + new + content[place + (len(new) if how == "change" else 0) :]


@pytest.mark.timeout(3600)
@examples(300)
@given(data=st.data())
def test_options_of_ones_own(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """A YAML file of a person's own folder: nearly an option, or anything at all."""
    folder = tmp_path_factory.mktemp("own")
    group = data.draw(
        st.sampled_from(["model", "data", "optimizer", "scheduler", "augment", "experiment", "criterion"])
    )
    (folder / group).mkdir()
    original = (registry.CONF / group / f"{registry.groups()[group][0]}.yaml").read_bytes()
    if data.draw(st.booleans()):
        content = data.draw(st.one_of(damaged(original), st.binary(max_size=60)))
    else:
        content = yaml.safe_dump(data.draw(changed(yaml.safe_load(original))), allow_unicode=True).encode()
    (folder / group / "own.yaml").write_bytes(content)

    def compose_and_check() -> None:
        config = compose(["--config-dir", str(folder), f"{'+' * (group == 'experiment')}{group}=own"]).config
        check(config)

    ends_in_a_sentence("YAML files", compose_and_check)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with a_process_of_its_own():
        return api.run([*TINY, "checkpoint.every_epochs=1"], folder=tmp_path_factory.mktemp("whole") / "run").folder


RUN_FILES = ["run.json", "config.yaml", "data.json", "environment.json", "metrics.jsonl", "results.json"]


@pytest.mark.timeout(3600)
@examples(400)
@given(data=st.data())
def test_run_folders(whole_run: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = copy_of(whole_run, tmp_path_factory)
    file = folder / data.draw(st.sampled_from(RUN_FILES))
    content = file.read_bytes()
    if data.draw(st.booleans()):
        file.write_bytes(data.draw(st.one_of(damaged(content), st.binary(max_size=60))))
    elif file.suffix == ".jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
        new = data.draw(changed(rows))
        lines = [json.dumps(row) + "\n" for row in (new if isinstance(new, list) else [new])]
        file.write_text("".join(lines), encoding="utf-8")
    else:  # JSON is YAML
        text = yaml.safe_dump if file.suffix == ".yaml" else json.dumps
        file.write_text(text(data.draw(changed(yaml.safe_load(content)))), encoding="utf-8")
    use = data.draw(st.sampled_from(sorted(USES)))
    ends_in_a_sentence("run folders", lambda: USES[use](folder, whole_run))
    assert not list(folder.rglob("*.tmp"))


USES: dict[str, Callable[[Path, Path], Any]] = {
    "resume": lambda folder, whole: resume.resume(folder, ["epochs=3"]),
    "finished": lambda folder, whole: resume.resume(folder, []),
    "load": lambda folder, whole: api.load(folder),
    "verify": lambda folder, whole: verify.main([str(folder)]),
    "diff": lambda folder, whole: diff.main([str(folder), str(whole)]),
}


def copy_of(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(run, tmp_path_factory.mktemp("copy") / "run"))


@pytest.mark.timeout(3600)
@examples(300)
@given(data=st.data())
def test_checkpoints(whole_run: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = copy_of(whole_run, tmp_path_factory)
    states = saved_states(folder)
    path = data.draw(st.sampled_from([*states, folder / "weights" / "best.pt"]))
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    else:
        state = data.draw(changed(torch.load(path, weights_only=True)))
        torch.save(state, path)
    for other in states[1:] if data.draw(st.booleans()) else []:
        other.unlink(missing_ok=True)
    use = data.draw(st.sampled_from(["resume", "load", "verify", "init_from"]))
    if use == "init_from":
        words = [*TINY, "epochs=1", f"init_from={path}"]
        ends_in_a_sentence("checkpoints", lambda: api.run(words, folder=folder.parent / "new"))
    else:
        ends_in_a_sentence("checkpoints", lambda: USES[use](folder, whole_run))
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.timeout(3600)
@examples(100)
@given(data=st.data())
def test_ledgers(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    content = json.dumps(
        data.draw(changed({"format_version": 2, "cells": {"abc": "seed-1", "def": "seed-2"}}))
    ).encode()
    (folder / "sweep.json").write_bytes(data.draw(st.one_of(st.just(content), damaged(content))))
    counts["ledgers"] = counts.get("ledgers", 0) + 1
    assert all(name == Path(name).name for name in read_ledger(folder).values())


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(24, dtype=np.float32).reshape(8, 3), y=np.arange(8) % 2)
    return buffer.getvalue()


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), (200, 10, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def cifar() -> bytes:
    images = np.zeros((2, 3072), dtype=np.uint8)
    return pickle.dumps({b"data": images, b"labels": [1, 2]}, protocol=2)


CSV = b"width,height,kind\n1.5,2,a\n3,4,b\n5,6e3,a\n-7,8,b\n"
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8])


@pytest.mark.timeout(3600)
@examples(400)
@given(data=st.data())
def test_data_files(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("files")
    kind = data.draw(st.sampled_from(["csv", "npz", "png", "idx", "cifar"]))
    original = {"csv": CSV, "npz": npz(), "png": picture(), "idx": IDX, "cifar": cifar()}[kind]
    content = data.draw(st.one_of(damaged(original), damaged(original).flatmap(damaged), st.binary(max_size=40)))
    path = folder / f"file.{kind}"
    path.write_bytes(content)
    if kind == "png":
        for name, group in itertools.product("abc", ("cat", "dog")):
            (folder / group).mkdir(exist_ok=True)
            (folder / group / f"{name}.png").write_bytes(content if (name, group) == ("b", "dog") else picture())
    targets = data.draw(st.sampled_from(["classes", "values"]))
    readers: dict[str, Callable[[], Any]] = {
        "idx": lambda: parse_idx(content, "file"),
        "cifar": lambda: parse_batch(content, "file", b"labels"),
        "png": lambda: image_folder(
            folder=str(folder),
            size=8,
            channels=3,
            background="white",
            test_size=0.3,
            split_seed=0,
            val_size=0.1,
            limit=None,
            in_memory=True,
            device="cpu",
            workers=None,
            **NO_FILES_OF_IMAGES,
        ),  # fmt: skip
    }
    settings = {**AS_IT_LOOKS, "targets": targets, "missing": data.draw(st.sampled_from([None, "drop", "mean"]))}
    table = partial(arrays, file=str(path), **settings, fields=None, test_size=0.3, split_seed=0, **NO_FILES)
    ends_in_a_sentence("data files", readers.get(kind, table))
