"""draw samples of a data set, before and after its views; trains nothing: show data=NAME [view=NAME] OVERRIDES…"""

import argparse
import shutil

from dlexp.commands import CommandParser

SPLITS = ("train", "val", "test")
MOST = 64


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("show", __doc__)
    parser.add_argument("overrides", nargs="*", help="whose samples, as for a run: data=cifar10 'view=[grey,edges]' …")
    parser.add_argument("--split", choices=SPLITS, default="train", help="which samples [train]")
    parser.add_argument("--count", type=_count, default=16, help="how many, of each class as many; of points all")
    parser.add_argument("--augment", action="store_true", help="each as an epoch's augmentation makes it, too")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number from 1 to {MOST}")
    return int(text)


def main(words: list[str]) -> int:
    """Draws the samples that the words choose, and says where the picture is."""
    options = parser().parse_overrides(words)
    from dlexp.config.compose import compose, refuse_what_is_for_runs
    from dlexp.console.streams import log_to_console
    from dlexp.records.naming import OUTPUTS, new_folder, plain_name, refuse_files

    log_to_console()
    refuse_files(OUTPUTS)
    composed = compose([*CommandParser.folders(options), *options.overrides])
    refuse_what_is_for_runs(composed, "show")
    from dlexp.experiment.showing import samples_shown
    from dlexp.pictures.style import render

    figure, told = samples_shown(composed, options.split, options.count, augments=options.augment)
    png, _, _ = render(figure)
    views = [name for name, node in (composed.config["view"] or {}).items() if node]
    folder = new_folder(OUTPUTS, plain_name("-".join(["show", composed.choices["data"], *views])))
    try:
        (folder / "samples.png").write_bytes(png)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    print(told)
    print(f"picture   {folder / 'samples.png'}")
    return 0
