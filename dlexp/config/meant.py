"""What a person meant who typed a setting in another way than key=value, or by the name that it has elsewhere."""

import re
import typing
from collections.abc import Mapping, Sequence

from dlexp.config import registry
from dlexp.config.schema import GROUPS, Settings
from dlexp.errors import closest, plain, to_type

Groups = Mapping[str, Sequence[str]]

TYPES = typing.get_type_hints(Settings)
TOP = [*(name for name in Settings.__dataclass_fields__ if name != "recipe"), "experiment", "resume"]
# Names that other programs and papers have for a setting or a group, without capitals and strokes.
ELSEWHERE = {
    **dict.fromkeys("learningrate stepsize".split(), "optimizer.lr"),
    **dict.fromkeys("wd l2".split(), "optimizer.weight_decay"),
    **dict.fromkeys("bs batch minibatch trainbatchsize perdevicetrainbatchsize".split(), "batch_size"),
    **dict.fromkeys("numepochs nepochs maxepochs numtrainepochs".split(), "epochs"),
    **dict.fromkeys("steps iterations numsteps numiterations maxiterations".split(), "max_steps"),
    **dict.fromkeys("loss lossfn lossfunction objective".split(), "criterion"),
    **dict.fromkeys("net network arch architecture".split(), "model"),
    **dict.fromkeys("dataset dataloader datamodule".split(), "data"),
    **dict.fromkeys("lrscheduler schedule lrschedule".split(), "scheduler"),
    **dict.fromkeys("transform transforms augmentation augmentations".split(), "augment"),
    **dict.fromkeys("gpu gpus cuda usecuda".split(), "device=cuda"),
    **dict.fromkeys("accelerator devices".split(), "device"),
    **{"amp": "precision=auto", "fp16": "precision=float16", "bf16": "precision=bfloat16", "dtype": "precision"},
    **dict.fromkeys("randomseed rng randomstate".split(), "seed"),
    **dict.fromkeys("workers numworkers".split(), "data.workers"),
    **dict.fromkeys("dataroot datadir datapath".split(), "data.root"),
    **dict.fromkeys("imagesize imgsize resolution".split(), "data=image_folder data.size"),
    **dict.fromkeys("valsize valsplit validationsplit".split(), "data.val_size"),
    **dict.fromkeys("testsize testsplit".split(), "data.test_size"),
    **dict.fromkeys("earlystopping".split(), "patience"),
    **dict.fromkeys("gradientclipping gradientclipval clipgradnorm maxgradnorm clip".split(), "grad_clip"),
    **dict.fromkeys("gradientaccumulationsteps accumulategradbatches".split(), "accumulate"),
    **dict.fromkeys("pretrained checkpoint ckpt weights".split(), "init_from"),
    **dict.fromkeys("resumefrom resumefromcheckpoint".split(), "resume"),
    **dict.fromkeys("output outputdir savedir logdir outdir".split(), "hydra.run.dir"),
    **dict.fromkeys("jobs njobs numjobs parallel".split(), "n_jobs"),
    **dict.fromkeys("metrics".split(), "metric"),
    **dict.fromkeys("preset config".split(), "experiment"),
}
KEY = r"[~+]{0,2}[A-Za-z_][\w./@-]*"
NOTE = "note"  # holds a text of any kind
# By convention a key holds a path when its last word is one of these; `init_from` and `resume` are the exceptions.
PATH_KEY = r"\+{0,2}(?:(?:[\w@/-]+\.)*(?:root|path|dir|url|file|folder)|init_from|resume)"


def setting(key: str) -> str | None:
    """Returns the setting that was meant by a key which is none: one that `named` finds, else a similar one. Within a
    mistyped group it is called as it was typed: `modle.width` means model.width.
    """
    first, dot, rest = key.replace("-", "_").partition(".")
    group = named(first) or closest(first, TOP) if dot else None
    return named(key) or (f"{group}.{rest}" if group in (*GROUPS, "checkpoint") else None if dot else closest(key, TOP))


def named(key: str) -> str | None:
    """Returns the setting of this name, with the option that has it where no default one does: `data=text data.file`.

    Capitals and strokes do not count, nor does a group that was left out; names that other programs use are known.
    """
    first, dot, rest = key.replace("-", "_").partition(".")
    if dot:
        return f"{first}.{rest}" if first in TOP else None
    own = {plain(name): name for name in TOP} | ELSEWHERE
    common = {plain(each.key.rpartition(".")[2]): each.key for each in registry.settings(registry.CONF / "config.yaml")}
    return own.get(plain(key)) or common.get(plain(key)) or _of_an_option(key)


def _of_an_option(key: str) -> str | None:
    """Returns the setting of this name that an option has, of the default ones first."""
    chosen = registry.defaults()
    for group in GROUPS:
        if found := _named(key, group, chosen.get(group, "")):
            return f"{group}.{found}"
    for group in GROUPS:
        having = options_with(group, key)
        if having and group not in ("method", "watch", "profile", "launcher"):
            option, found = next(iter(having.items()))
            return f"{group}={option} {group}.{found}"
    return None


def _named(key: str, group: str, option: str) -> str | None:
    file = registry.file_of(group, option)
    names = [each.key for each in registry.settings(file)] if file else []
    return next((name for name in names if plain(name.rpartition(".")[2]) == plain(key)), None)


def options_with(group: str, key: str) -> dict[str, str]:
    """Returns the options of a group that have a setting, and what it is called in each."""
    options = registry.groups().get(group, [])
    return {option: found for option in options if (found := _named(key, group, option))}


def piece(words: Sequence[str], groups: Groups) -> tuple[int, str | None]:
    """Returns how many of the words belong to the first, and how they are typed in a shell; None where that is right.

    `--lr 0.1`, `model = vgg16`, `seed=0, 1`, `[3, 64, 64]` and `epochs 3` are each one setting.
    """
    word, following = words[0], words[1:]
    strays = next((n for n, each in enumerate(following) if is_word(each)), len(following))  # those before the next
    if word.startswith("-"):
        return _flag(word, following[:strays])
    key, equals, value = word.partition("=")
    if not equals:
        return _without_equals(word, following, strays, groups)
    is_text = re.fullmatch(PATH_KEY, key) or key == NOTE
    if key != NOTE and re.search(r"\s", word) and (each := _several(word)):
        return 1, each
    stripped = re.sub(rf"^\s*({KEY})\s*=+\s*", r"\1=", word)
    if (re.search(r"\s", key) or (value.startswith("=") and key != NOTE)) and stripped != word:
        return 1, to_type(stripped)
    if is_text:
        return (1 + strays, to_type(" ".join(words[: 1 + strays]))) if strays and value else (1, None)
    count = _continued(word, following[:strays])
    joined = re.sub(r"\s*([,\[\]{}])\s*", r"\1", " ".join(words[:count])).replace("= ", "=") if count > 1 else word
    if not re.search(r"['\"\[({]", value):  # commas without a value before or after them
        joined = re.sub(r"(?<==),+|,+$|,+(?=,)", "", joined)
    return (count, to_type(joined)) if joined != word and not joined.endswith("=") else (1, None)


def is_word(word: str) -> bool:
    """Returns whether a word stands for itself: a flag, `key=…` or `~key`."""
    return bool(re.match(rf"-{{1,2}}[A-Za-z]|\s*{KEY}\s*=|~", word))


def _flag(word: str, values: Sequence[str]) -> tuple[int, str | None]:
    name, equals, value = word.lstrip("-").partition("=")
    key = setting(name) if equals or values else named(name)
    if equals or values:
        return (1 if equals else 2), key and typed(key, value if equals else values[0])
    return 1, key and typed(key, "true" if TYPES.get(key) is bool else None)


def typed(key: str, value: str | None) -> str:
    """Returns a setting that `setting` found as it is typed with this value, if it has none of its own."""
    *before, last = key.split()
    if "=" in last:
        return key
    return " ".join([*before, f"{last}=…" if value is None else to_type(f"{last}={value}")])


def _without_equals(word: str, following: Sequence[str], strays: int, groups: Groups) -> tuple[int, str | None]:
    """Takes a word that is no setting, followed by as many more of the kind."""
    if word == "=" or word.startswith(("~", "=")):
        return 1, None
    if strays and following[0].startswith("="):
        rest = following[0].lstrip("=") or "".join(following[1:2])
        return 2 + (following[0] == "=" and len(following) > 1), typed(named(word) or word, rest)
    options = [group for group, names in groups.items() if word in names and group != "recipe"]
    found = re.fullmatch(r"([\w.]+?)[:./](.+)", word)
    if found and (found[1] in groups and found[2] in groups[found[1]] or ":" in word and found[1] in TOP):
        return 1, typed(found[1], found[2])
    key = None if options else named(word)
    if key and strays and TYPES.get(key) is bool and following[0] not in ("true", "false"):
        return 1, None
    if key and strays:
        return 2, typed(key, following[0])
    return 1, " or ".join(f"{group}={word}" for group in options) or (key and typed(key, None))


def _continued(word: str, strays: Sequence[str]) -> int:
    """Returns how many words a value goes on for that was typed with spaces."""
    count, text = 1, word
    for each in strays:
        is_open = sum(map(text.count, "[({")) > sum(map(text.count, "])}"))
        if not (is_open or text.endswith(("=", ",")) or each.startswith(",")):
            break
        count, text = count + 1, f"{text} {each}"
    return count


def _several(word: str) -> str | None:
    """Returns settings that stand in one word, each typed as a word of its own."""
    parts = word.split()
    are_settings = [re.match(rf"({KEY})=", each) for each in parts]
    if len(parts) > 1 and all(each and each[1].lstrip("+").partition(".")[0] in TOP for each in are_settings):
        return " ".join(map(to_type, parts))
    return None
