"""fetch a data set without training: download NAME [data.root=FOLDER] [data.url=URL]"""

from dlexp.config import registry
from dlexp.errors import UserError, did_you_mean


def main(words: list[str]) -> int:
    """Finds or downloads the data set and checks its files; says where they are."""
    if not words or "=" in words[0]:
        raise UserError(f"download needs the name of a data set: {', '.join(registry.groups()['data'])}")
    name, options = words[0], registry.groups()["data"]
    if name not in options:
        raise UserError(f"there is no data set '{name}'.{did_you_mean(name, options)} Data sets: {', '.join(options)}")
    from dlexp.config.build import load_data
    from dlexp.config.compose import compose

    splits = load_data(compose([f"data={name}", *words[1:]]).config["data"])
    sizes = ", ".join(
        f"{len(split.targets):,} {part}" for part in ("train", "test") if (split := getattr(splits, part))
    )
    print(f"{name} is complete: {sizes}")
    return 0
