"""What is wrong with an option that was chosen: it is not there, or its YAML file does not say what was meant."""

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import yaml

from dlexp.config import registry
from dlexp.config.meant import Groups
from dlexp.config.schema import GROUPS
from dlexp.errors import closest, did_you_mean, plain, to_type

HEADER = "# @package _global_"
MARK = b"\xef\xbb\xbf"  # what some editors put before a text in UTF-8
# Names that papers and other libraries have for an option, without capitals and strokes.
ELSEWHERE = {
    **dict.fromkeys("kaiming kaiminghe kaimingnormal kaiminguniform".split(), "he"),
    **dict.fromkeys("glorot glorotuniform glorotnormal".split(), "xavier"),
}
READS = {".csv": "data=arrays data.file", ".npz": "data=arrays data.file", ".txt": "data=text data.file"}


def missing(word: str, groups: Groups) -> tuple[list[str], str | None]:
    """Returns a sentence for each option that a word chooses and that is not there, and the word that was meant.

    What was meant is None where nobody knows. Data is not guessed: what there is to say of it stands in files.
    """
    group, _, value = word.lstrip("+").partition("=")
    names = _chosen(group, value, groups)
    meant = {name: _closest(name, groups[group]) for name in names if name not in groups[group]}
    problems = [no_option(group, name, groups[group]) for name in meant]
    if not meant or group == "data" or not all(meant.values()):
        return problems, None
    chosen = ",".join(meant.get(name) or name for name in names)
    return problems, f"{group}=[{chosen}]" if value.startswith("[") else f"{group}={chosen}"


def _chosen(group: str, value: str, groups: Groups) -> list[str]:
    """Returns the options of a group that a value names; what Hydra has to work out names none."""
    if group not in groups or group == "recipe" or "$" in value:
        return []
    composes = group in GROUPS and GROUPS[group].composes
    if composes and re.fullmatch(r"\[.*\]", value):
        return [name.strip() for name in value[1:-1].split(",") if name.strip()]
    return [] if "," in value and not value.startswith("[") else [value.strip("'\"")]


def no_option(group: str, name: str, options: Sequence[str]) -> str:
    """Returns the answer to an option that is not there."""
    if not options:
        groups = registry.groups()
        return f"there is no group '{group}'.{did_you_mean(group, groups)} Groups: {', '.join(groups)}"
    others = f"Options of {group}: {', '.join(options)}"
    if not name:
        return f"{group}= chooses nothing. {others}"
    file = Path(name)
    if group == "data" and (key := READS.get(file.suffix)):
        return f"there is no data '{name}'; a file of yours is typed {key}={to_type(name)}"
    if file.suffix == ".yaml":
        return f"there is no {group} '{name}'.{did_you_mean(file.stem, options)} {others}"
    if group == "data" and (re.search(r"[/\\]", name) or file.is_dir()):
        return f"there is no data '{name}'; a folder of images is typed data=image_folder data.folder={to_type(name)}"
    if group == "model" and plain(name) not in map(plain, options) and (theirs := _of_torchvision(name)):
        return f"there is no model '{name}' here; torchvision's is model=torchvision model.name={theirs}. {others}"
    near = _closest(name, options)
    return f"there is no {group} '{name}'.{did_you_mean(near or name, options)} {others}"


def _closest(name: str, options: Sequence[str]) -> str | None:
    """Returns the option that was probably meant: by the name it has elsewhere, else the closest, if any."""
    known = ELSEWHERE.get(plain(name))
    return known if known in options else closest(name, options)


def _of_torchvision(name: str) -> str | None:
    """Returns torchvision's classifier of a name, read from its files: importing it would import torch."""
    found = find_spec("torchvision")
    folders = found.submodule_search_locations or () if found else ()
    files = [file.read_text(encoding="utf-8") for folder in folders for file in Path(folder, "models").glob("*.py")]
    names = re.findall(r"@register_model\(\)\n(?:.*\n)*?def (\w+)\(", "\n".join(files))
    return next((each for each in (name, *names) if each in names and plain(each) == plain(name)), None)


def file_problems(word: str, groups: Groups, folders: Sequence[Path]) -> list[str]:
    """Returns what is wrong with the files of a person's own options that a word chooses, before Hydra reads them."""
    group, _, value = word.lstrip("+").partition("=")
    files = (registry.file_of(group, name, folders) for name in _chosen(group, value, groups))
    own = [file for file in files if file and registry.CONF not in file.parents]
    return [problem for file in own for problem in _problems_of(file, group)]


def _problems_of(file: Path, group: str) -> Iterator[str]:
    content = file.read_bytes()
    if content.startswith(MARK):
        yield f"{file} begins with a byte order mark, which hides its first line; save it as UTF-8 without one"
        return
    try:
        text = content.decode("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        yield f"{file} is not in UTF-8; save it so"
        return
    except yaml.YAMLError:
        return  # Hydra says where
    if group == "experiment":
        if node is None:
            yield f"{file} holds no settings; a preset begins with the line {HEADER}, and then come key: value"
        elif not re.match(r"\s*#\s*@package\s+_global_\s*$", text.partition("\n")[0]):
            yield f"{file} must begin with the line {HEADER}: a preset's settings are those of the whole run"
    for key, scalar in _scalars(node, ""):
        if scalar.tag.endswith(":int") and re.match(r"[-+]?0[0-9_]|.*:", scalar.value):
            number = yaml.safe_load(scalar.value)
            plain_number = scalar.value.lstrip("+0") or "0"
            kind = "minutes and seconds" if ":" in scalar.value else "in octal"
            instead = f"'{scalar.value}' for a text" if ":" in scalar.value else f"{key}: {plain_number}"
            yield f"{file}: {key}: {scalar.value} is {number} to YAML, {kind}; write {instead}"


def _scalars(node: yaml.Node | None, path: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yields each value of a YAML file with its dotted key."""
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _scalars(each, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, f"{path}.{key.value}" if path else str(key.value))
