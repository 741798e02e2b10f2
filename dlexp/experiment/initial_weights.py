"""Initial weights from another run or file, by name, and parameters that stay as they are."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build
from dlexp.data.normalisation import Normalisation
from dlexp.errors import UserError, listed, to_type
from dlexp.models.parts import fitting_tensors, renamed
from dlexp.models.stacks import Stack
from dlexp.records.folder import DATA, LAST
from dlexp.records.run_json import recorded
from dlexp.records.weights import chosen
from dlexp.train.fingerprint import fingerprint
from dlexp.train.frozen import frozen_names, set_frozen, to_freeze

log = logging.getLogger(__name__)


def initialise(
    model: nn.Module, source: Path, class_names: list[str] | None, units: Normalisation | None = None
) -> None:
    """Copies the weights of a run folder or a file into the parameters and buffers of the same name and shape.

    Says what matched and what did not. units: how the targets of a regression are standardised now.

    Raises:
        UserError: there are no weights at `source`, they can't be read, none of them fits, a layer would be left that
            nobody trains, or they are a run's whose classes have other numbers here, and the last layer would take them
            over.
    """
    weights, own = read_weights(source), model.state_dict()
    fitting = fitting_tensors(model, weights)
    if not fitting:
        misfit = _another_shape(own, weights)
        raise UserError(f"none of the {len(weights)} weights of {source} has a name and shape of this model{misfit}")
    if told := _left_untrained(model, fitting, str(source)):
        raise UserError(told)
    *_, head = own
    if head in fitting:
        _compare_classes(source, class_names)
        if class_names is None:
            _compare_units(source, units)
    model.load_state_dict(fitting, strict=False)
    none_left = ": none is left as init drew it" if len(fitting) == len(own) else ""
    log.info(f"starts from {len(fitting)} of {len(own)} weights, taken from {source}{none_left}")
    for title, names in {
        "of another shape, so left as initialised": [n for n in own if n in weights and n not in fitting],
        "not there, so left as initialised": [n for n in own if n not in weights],
        "there, but not in this model": [n for n in weights if n not in own],
    }.items():
        if names:
            log.info(f"  {title}: {listed(names, 6)} ({len(names)})")
    if told := _other_names(renamed(model, weights), str(source)):
        log.warning(f"warning: {told}")


def not_handed_on(model: Mapping[str, Any], source: Mapping[str, Any], name: str) -> str | None:
    """Returns which weights of another model, called by `name`, have no place in a model, as configs say these are.

    That is where none has one, biases aside, where names differ, or where a layer is missing that nobody would train;
    a head of its own, or further layers, are meant.
    """
    with torch.device("meta"):
        own, weights = build(model), build(source).state_dict()
    fitting = fitting_tensors(own, weights)
    if not any(each.ndim > 1 for each in fitting.values()):
        misfit = _another_shape(own.state_dict(), weights)
        return f"none of the weights of {name} has a name and shape of this model{misfit}"
    return _left_untrained(own, fitting, name) or _other_names(renamed(own, weights), name)


def _another_shape(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """Returns `: linear1.weight is 256×784 there, and 128×784 here`, of the first such tensor, if any."""
    name = next((name for name in own if name in weights and own[name].shape != weights[name].shape), None)
    if name is None:
        return ""
    there, here = ("×".join(map(str, each[name].shape)) or "one number" for each in (weights, own))
    return f": {name} is {there} there, and {here} here"


def _left_untrained(model: nn.Module, fitting: Mapping[str, Tensor], source: str) -> str | None:
    """Returns what is said where a layer below the top one of a stack gets no weights of `source`."""
    if not isinstance(model, Stack):
        return None
    left = [name for name, each in model.named_parameters() if not each.requires_grad and name not in fitting]
    if not left:
        return None
    return (
        f"of model.depth={model.depth} layers only the top one is trained, and {source} has no {left[0]} of this shape,"
        f" which would stay as it is drawn: begin with model.depth={model.depth - 1}, of the same widths"
    )


def _other_names(names: Mapping[str, str], source: str) -> str | None:
    """Returns what is said of weights of `source` that a model has under another name."""
    if not names:
        return None
    own, other = next(iter(names.items()))
    return (
        f"{len(names)} weights of {source} have other names in this model, which begins without them: {other} is"
        f" {own} here. A setting that changes the names of layers, as model.residual does, has to be the same in both"
    )


def fingerprint_of(weights: Mapping[str, Tensor]) -> str:
    """Returns 16 hexadecimal digits for weights by name, whatever file they lie in."""
    names = [f"{name} {value.dtype} {list(value.shape)}" for name, value in weights.items()]
    text = torch.frombuffer(bytearray("\0".join(names).encode()), dtype=torch.uint8)
    return fingerprint(text, *weights.values())


def fingerprint_of_all(sources: Sequence[Path]) -> str:
    """Returns the fingerprints of the weights of all sources. Raises UserError as `read_weights` does."""
    return "-".join(fingerprint_of(read_weights(source)) for source in sources)


def _compare_classes(source: Path, class_names: list[str] | None) -> None:
    """Holds the classes of the run that weights are from against those of now.

    Raises:
        UserError: a class that both have has another number, and `source` is the run's folder. A file of weights that
            is named by itself is taken with a warning.
    """
    folder = source if source.is_dir() else source.parent.parent
    before = recorded(folder / DATA, "class_names")
    if not isinstance(before, list) or class_names is None:  # weights from elsewhere, or of a task without classes
        return
    moved = [name for name in class_names if name in before and before.index(name) != class_names.index(name)]
    if not moved:
        return
    first = moved[0]
    sentence = (
        f"the classes of {folder} have other numbers than now: '{first}' was {before.index(first)} and is"
        f" {class_names.index(first)} (they were {listed(before, 5)} and are {listed(class_names, 5)}), and the last"
        " layer's weights would be taken over"
    )
    if not source.is_dir():
        log.warning(f"warning: {sentence.replace('would be', 'are')} all the same")
        return
    raise UserError(
        f"init_from={source}: {sentence}. Name the classes in that order, or take the weights all the same with"
        f" {to_type(f'init_from={folder / LAST}')}"
    )


def _compare_units(source: Path, units: Normalisation | None) -> None:
    """Warns where the last layer of a regression's run answered in another unit than that which is learnt now."""
    folder = source if source.is_dir() else source.parent.parent
    facts = recorded(folder / DATA)
    if not isinstance(facts, dict) or not isinstance(facts.get("normalisation"), dict) or facts.get("class_names"):
        return
    before = facts["normalisation"].get("targets")
    if (before is None) != (units is None):
        told, word = ("standardised", "true") if before else ("as they are", "false")
        log.warning(
            f"warning: {folder} learnt its targets {told}, and this run does not, so that its answers begin in another"
            f" unit; task.standardise={word} learns them as it did"
        )
    elif units is not None and not _nearly(before, units):
        log.warning(f"warning: the targets of {folder} had another mean or deviation, so its answers begin elsewhere")


def _nearly(before: Any, units: Normalisation) -> bool:
    figures = zip(before["mean"], before["std"], units.mean, units.std, strict=False)
    return all(abs(m - mean) < std and std / 2 < s < 2 * std for m, s, mean, std in figures)


def read_weights(source: Path) -> dict[str, Tensor]:
    """Returns weights by name: of a run folder (the best, else the last) or of a file that holds tensors by name.

    Nothing of the file is run.

    Raises:
        UserError: there are none, or the file can't be read.
    """
    if source.is_dir():
        source = chosen(source)
    try:
        content: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every way in which a file can be foreign
        reason = "no such file" if isinstance(error, FileNotFoundError) else "it is damaged, or no file of weights"
        raise UserError(f"init_from={source} can't be read: {reason}") from error
    for key in ("model", "state_dict"):  # as dlexp and many others store them
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    weights = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not weights:
        raise UserError(f"init_from={source} holds no tensors by name")
    return weights


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Takes what matches a pattern (`features.*`) out of the training, with running statistics. Raises UserError as
    `to_freeze` does.
    """
    resting = to_freeze(model, patterns)
    set_frozen(model, frozen_names(model) | resting)
    if resting:
        names = [name for name, _ in model.named_parameters()]
        log.info(f"frozen: {len(resting.intersection(names))} of {len(names)} parameters")
