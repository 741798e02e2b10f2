"""From words to a run: Hydra composes the YAML, and what comes out is resolved, plain data.

The one place that composes, for a command line, a notebook, a command and each job of a sweep.
"""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import hydra
import omegaconf
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlexp.config import mistakes, options, registry, stored, words
from dlexp.config.another_option import leave_out
from dlexp.config.composed import Composed
from dlexp.config.made_from import made_from, taken, without_what_follows
from dlexp.config.no_effect import no_effect
from dlexp.config.no_setting import unknown
from dlexp.config.own_options import search_path
from dlexp.config.problems import COMMON, settings_problems, task_problems
from dlexp.config.recomposed import Recomposing
from dlexp.config.schema import GROUPS, Settings, takes_one_score
from dlexp.config.viewed import shape_seen
from dlexp.data.facts import RESOLVERS
from dlexp.errors import UserError, as_typed, listed, near_path
from dlexp.records.folder import RECORD, runs_in

# What stands in conf/config.yaml for a folder that nobody named.
UNNAMED = "outputs/NAME"
# Composes overrides; what is wrong with them comes as sentences.
Compose = Callable[[list[str]], tuple[Composed | None, list[str]]]
# Hydra 1.4 has one way to compose, and warns of a version that is named.
BASE: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}
OF_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin")
OUTPUTS = "data.num_outputs"
_lock = threading.RLock()  # Hydra keeps what it is about in variables of the process


def compose(typed: Sequence[str], *, is_read_again: bool = False) -> Composed:
    """Composes the run that the words of a command line describe, `--config-dir` among them. is_read_again: see
    `words.read`.

    Raises:
        UserError: lists everything wrong with the words.
    """
    read = words.read(typed, is_read_again=is_read_again)
    if read.is_sweep:
        raise UserError("-m starts a sweep, and here one run is meant; python -m dlexp -m … does what it says")
    words.refuse_place(read, "hydra.sweep.dir", "is the folder of a sweep; hydra.run.dir= is a run's")
    with composing(read.folders) as compose_words:
        found, problems = compose_words(read.overrides)
    if problems := problems_of(found, problems, read):
        raise UserError(*problems)
    assert found is not None
    return found


def problems_of(found: Composed | None, problems: Sequence[str], read: words.Words) -> list[str]:
    """Returns what is wrong with words and what they are composed to, as far as that is known without importing torch.

    Of settings that are out of range only what comes alone: else the check tells them beside those of the options.
    """
    if found is None:
        return list(problems)
    own = [key for word in read.overrides for key in [word.lstrip("+~").partition("=")[0]] if _is_an_options(key)]
    are_ours = all(registry.file_of(group, option) for group, option in found.choices.items())
    early = settings_problems(found.config) if problems or (are_ours and not own) else []
    early = without_what_follows(early, found.made_from, own)  # the check tells of these
    source = found.config["init_from"]
    early += _without_weights(source, Path(source).expanduser()) if isinstance(source, str) else []
    return [*problems, *early, *task_problems(found.config)] if problems or early or not own else []


def _without_weights(source: str, path: Path) -> list[str]:
    """Returns what is wrong with init_from=source where that is nothing, or a folder of several runs."""
    if path.is_dir() and (inside := runs_in(path)):
        return [f"init_from={source} is not the folder of a run; it holds several: {listed(inside)}"]
    if path.exists():
        return []
    near = _weights_near(path)
    return [f"init_from={source} can't be read: there is no such file or folder{'.' * bool(near)}{near}"]


def _weights_near(missing: Path) -> str:
    """Returns which run or file of weights of a similar name may be meant, or an empty string."""
    if str(missing).startswith("stages."):
        return " A preset with stages has such names, and this run has none"
    having = [each for each in missing.parent.glob("*") if (each / RECORD).exists() or each.suffix in OF_WEIGHTS]
    return near_path(missing, having)


def _is_an_options(key: str) -> bool:
    """Returns whether a key is a setting of an option, whose type only its function knows."""
    group, _, name = key.partition(".")
    return bool(name) and group in GROUPS and name not in getattr(COMMON.get(group), "__dataclass_fields__", ())


def refuse_what_is_for_runs(composed: Composed, command: str) -> None:
    """Raises UserError where a word asks for what only a run or a sweep does."""
    if composed.config["dry_run"]:
        raise UserError(f"dry_run= tells of runs and sweeps; {command} has no dry run")
    if composed.place is not None:
        raise UserError(f"hydra.run.dir= is the folder of a run, and {command} makes none")


def register() -> None:
    """Tells Hydra of the schema and OmegaConf of the resolvers. Safe to call again."""
    if "dlexp_schema.yaml" not in ConfigStore.instance().repo:  # Hydra 1.4 warns of a second time
        ConfigStore.instance().store(name="dlexp_schema", node=Settings)
    # OmegaConf 2.4 calls it by the name of what 2.3 has outgrown, and warns of this one.
    is_old = omegaconf.__version__.startswith("2.3.")
    register_resolver: Any = getattr(OmegaConf, "register_new_resolver" if is_old else "register_resolver")
    for name, function in RESOLVERS.items():
        takes_node = "_parent_" in inspect.signature(function).parameters  # whose results OmegaConf does not keep
        register_resolver(name, function, use_cache=not takes_node, replace=True)


@contextmanager
def composing(folders: Sequence[Path], said: Mapping[str, str] = MappingProxyType({})) -> Iterator[Compose]:
    """Yields what composes overrides, with conf/ and these folders of a person's own options. said: see
    `mistakes.compose_or_explain`.

    A program that uses Hydra itself finds it afterwards as it was.
    """
    register()
    groups, places = registry.groups(folders), search_path(folders)
    with _lock, _hydra():
        hydras = Recomposing(
            lambda overrides: hydra.compose("config", [*places, *overrides], return_hydra_config=True), groups
        )

        def compose_words(overrides: list[str]) -> tuple[Composed | None, list[str]]:
            cfg, problems = mistakes.compose_or_explain(hydras, overrides, groups, folders, said)
            if cfg is None:
                return None, problems
            try:
                found = _plain(cfg, overrides, folders)
            except UserError as error:
                return None, [*problems, *error.problems]
            words = [f"{group}={option}" for group, option in found.choices.items()]  # a preset's among them
            more = [each for word in words for each in options.file_problems(word, groups, folders)]
            return found, list(dict.fromkeys([*problems, *more]))

        yield compose_words


@contextmanager
def _hydra() -> Iterator[None]:
    """Within the block Hydra is as if nobody had initialised it; a program that uses it finds its own again after."""
    theirs, version = GlobalHydra.instance(), VersionBase.instance()
    base = version.version_base
    GlobalHydra.set_instance(type.__call__(GlobalHydra))
    try:
        with hydra.initialize_config_dir(str(registry.CONF), job_name="dlexp", **BASE):
            yield
    finally:
        GlobalHydra.set_instance(theirs)
        version.version_base = base


def _plain(cfg: DictConfig, overrides: Sequence[str], folders: Sequence[Path]) -> Composed:
    """Resolves a composed config.

    Raises:
        UserError: an interpolation fails; the sentence is the resolver's own where it gave one.
    """
    try:
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        config: Any = OmegaConf.to_container(own, resolve=True)
        place, sweep = (None if name == UNNAMED else Path(name) for name in (cfg.hydra.run.dir, cfg.hydra.sweep.dir))
    except OmegaConfBaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__ or cause.__context__
        raise cause or UserError(mistakes.unresolved(error)) from None
    unresolved: Any = OmegaConf.to_container(own, resolve=False)
    config = _following_views(own, config)
    choices = _choices(cfg, overrides)
    remarks = leave_out(config, own, choices, overrides, folders)
    remarks += no_effect(config, overrides)
    unused = [key for key in config if key not in Settings.__dataclass_fields__ and f"${{{key}" not in str(unresolved)]
    if unused:  # with `+` Hydra takes any, and nobody would read it
        raise UserError(*(unknown(key, as_typed(config[key])) for key in unused))
    typed = [word for word in overrides if not word.startswith(words.PLACES)]
    follows = {key: source for key, source in taken(unresolved).items() if _is_there(config, key)}
    if takes_one_score(config):
        _give_one_score(config, follows)
    return Composed(config, typed, choices, place, sweep, follows, made_from(unresolved), remarks=remarks)


def _is_there(config: Mapping[str, Any], key: str) -> bool:
    *parents, name = key.split(".")
    return name in (stored.value_of(config, parents) or ())


def _give_one_score(config: dict[str, Any], follows: dict[str, str]) -> None:
    """Lets a model return one number where it would return one a class: what follows `data.num_outputs` in its node."""
    for key in [key for key, source in follows.items() if source == OUTPUTS and key.startswith("model.")]:
        *parents, name = key.split(".")
        stored.value_of(config, parents)[name] = 1
        del follows[key]


def _following_views(own: DictConfig, config: dict[str, Any]) -> dict[str, Any]:
    """Returns a resolved config in which what follows `data.shape`, but the data itself, has what views make of it."""
    data = config["data"]
    if not isinstance(data, dict) or not isinstance(data.get("shape"), list):
        return config
    shape = shape_seen(config["view"], data["shape"])
    if shape == data["shape"]:
        return config
    own.data.shape = shape
    followed: Any = OmegaConf.to_container(own, resolve=True)
    return {**followed, "data": data}


def _choices(cfg: DictConfig, overrides: Sequence[str]) -> dict[str, str]:
    """Returns the options chosen of our own groups, without Hydra's and without those that chose nothing.

    Hydra does not note a list of options: one that was typed stands here as it was typed, `[crop_flip,mixup]`.
    """
    choices = dict(cfg.hydra.runtime.choices)
    for word in overrides:
        group, _, option = word.partition("=")
        if option.startswith("[") and group in registry.groups():
            choices[group] = option
    return {name: str(option) for name, option in choices.items() if "/" not in name and option and name != "recipe"}
