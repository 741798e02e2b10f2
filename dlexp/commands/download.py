"""fetch a data set without training: download NAME [data.root=FOLDER] [data.url=URL]"""

from dlexp.commands import CommandParser
from dlexp.config import registry
from dlexp.errors import UserError, did_you_mean


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("download", __doc__)
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(registry.groups()['data'])}")
    parser.add_argument("overrides", nargs="*", help="where it is kept and fetched from: data.root=FOLDER data.url=URL")
    return parser


def main(words: list[str]) -> int:
    """Finds or downloads the data set and checks its files; says where they are."""
    options = parser().parse_overrides(words)
    name, names = options.name, registry.groups(options.config_dir)["data"]
    if name not in names:
        raise UserError(f"there is no data set '{name}'.{did_you_mean(name, names)} Data sets: {', '.join(names)}")
    from dlexp.config.build import load_data
    from dlexp.config.compose import compose, refuse_what_is_for_runs

    composed = compose([*CommandParser.folders(options), f"data={name}", *options.overrides])
    refuse_what_is_for_runs(composed, "download")
    splits = load_data(composed.config["data"])
    sizes = ", ".join(f"{len(split):,} {part}" for part in ("train", "test") if (split := getattr(splits, part)))
    print(f"{name} is complete: {sizes}")
    return 0
