"""What is said of files that are not read."""

from pathlib import Path

from dlexp.data.formats.image_tree import image_tree
from dlexp.data.formats.left_out import left_out, strays


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def said(root: Path) -> tuple[str, str]:
    tree = image_tree(str(root))
    return left_out(tree, {".png"}), strays(tree, {".png"})


def test_a_usual_folder_says_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/0.png", "train/dog/0.PNG", "test/cat/0.png", "labels.csv", "README", ".hidden/0.png")
    touch(tmp_path, "train/cat/Thumbs.db", "train/cat/.DS_Store", "train/cat/desktop.ini", "outputs/run/plots/a.png")
    assert said(tmp_path) == ("", "")


def test_what_is_no_image_is_counted_by_ending(tmp_path: Path) -> None:
    touch(tmp_path, *[f"cat/{number}.HEIC" for number in range(3)], "cat/a", "dog/b", "cat/0.png", "dog/0.png")
    assert said(tmp_path)[0] == (
        "5 files left out: 3 .heic (pip install pillow-heif lets them be read), 2 without an ending"
    )
    (tmp_path / "cat" / "up").symlink_to("..")
    assert said(tmp_path)[0].endswith(
        "2 without an ending; links not followed, since they lead to what is there anyway: cat/up"
    )


def test_images_in_no_class_are_counted_by_folder(tmp_path: Path) -> None:
    touch(tmp_path, "cat/0.png", "dog/0.png", "1.png", "2.png")
    assert said(tmp_path)[1] == (f"2 images left out, in no folder {tmp_path}/CLASS: 2 in {tmp_path}")
    splits = tmp_path / "splits"
    touch(splits, "train/cat/0.png", "train/dog/0.png", "test/1.png", "test/2.png", "pred/pred/3.png", "train/4.png")
    touch(splits, "extra/cat/5.png")
    assert said(splits)[1] == (
        f"5 images left out, in no folder {splits}/SPLIT/CLASS:"
        f" 1 in {splits}/extra, 1 in {splits}/pred, 2 in {splits}/test, 1 in {splits}/train"
    )
