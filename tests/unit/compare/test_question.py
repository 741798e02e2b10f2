"""Words of `compare`: arms, what each may tune, seeds, and what is none of these, told in a sentence."""

from pathlib import Path

import pytest

from dlexp.compare.question import ask, with_words
from dlexp.config import registry
from dlexp.errors import UserError


def test_arms_are_the_keys_with_several_values() -> None:
    question = ask(["optimizer=sgd,adam", "model=cnn", "data=mnist", "seeds=3", "n_jobs=2"])
    assert question.arms == {"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]}
    assert question.shared == ["model=cnn", "data=mnist", "n_jobs=2"]
    assert question.told == {"seeds": [1, 2, 3]} and question.folds == [] and question.ranges == {}
    assert question.command == "python -m dlexp compare optimizer=sgd,adam model=cnn data=mnist seeds=3 n_jobs=2"
    product = ask(["optimizer=sgd,adam", "optimizer.lr=0.1,1", "model.batch_norm=true,false"])
    assert list(product.arms)[:3] == [
        "sgd lr 0.1 batch_norm true",
        "sgd lr 0.1 batch_norm false",
        "sgd lr 1 batch_norm true",
    ]
    assert len(product.arms) == 8 and product.arms["adam lr 1 batch_norm false"] == [
        "optimizer=adam",
        "optimizer.lr=1",
        "model.batch_norm=false",
    ]
    assert list(ask(["augment=flip,[flip,mixup]"]).arms) == ["flip", "augment [flip,mixup]"]
    assert list(ask(["optimizer.lr=1e-5,0.10,1e6"]).arms) == ["lr 1e-05", "lr 0.1", "lr 1e+06"]


@pytest.mark.parametrize("text", ["Adam beats SGD", '"Adam beats SGD"', "'Adam beats SGD'", "“Adam beats SGD”"])
def test_quotes_around_a_hypothesis_are_no_part_of_it(text: str) -> None:
    assert ask(["optimizer=sgd,adam", f"hypothesis={text}"]).told["hypothesis"] == "Adam beats SGD"
    assert ask(["optimizer=sgd,adam", 'hypothesis="a" beats "b"']).told["hypothesis"] == '"a" beats "b"'


def test_seeds_folds_and_ranges_are_no_arms() -> None:
    words = ["optimizer=sgd,adam", "data.folds=3", "data.fold=0,1,2", "seeds=[7,8]", "trials=4"]
    tuned = ["tune=[optimizer.lr,model.dropout]", "optimizer.lr=tag(log,interval(1e-4,1))"]
    question = ask([*words, *tuned, "model.activation=relu"])
    assert list(question.arms) == ["sgd", "adam"] and question.folds == [f"data.fold={fold}" for fold in range(3)]
    assert question.ranges == {"optimizer.lr": "tag(log,interval(1e-4,1))", "model.dropout": None}
    assert question.told == {"seeds": [7, 8], "trials": 4} and "data.folds=3" in question.shared
    assert ask(["optimizer=sgd,adam", "tune=batch_size", "batch_size=16,32"]).ranges == {"batch_size": "16,32"}
    fixed = ask(["optimizer=sgd,adam", "tune=optimizer.lr", "optimizer.lr=0.3"])
    assert fixed.ranges == {"optimizer.lr": None} and "optimizer.lr=0.3" in fixed.shared


def test_what_is_typed_stands_as_typed() -> None:
    said = 'Adam beats SGD: 3 > 2, "surely" 例'
    told = ask(["optimizer=sgd,adam", f"hypothesis={said}", "margin=0.5", "against=adam", "question=no"]).told
    assert told == {"hypothesis": said, "margin": 0.5, "against": "adam", "question": "no"}


def test_later_words_take_the_place_of_others() -> None:
    assert with_words(["a=1", "+b=2", "c=3"], ["b=4"]) == ["a=1", "c=3", "b=4"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer=sgd"], "two arms or more"),
        (["model=cnn", "seeds=3"], "two arms or more"),
        (["hypothesis=Adam wins"], "two arms or more"),
        (["optimizer=sgd,sgd"], "optimizer names a value twice"),
        (
            ["optimizer=sgd,adam", "optimizer=adam,muon"],
            "(optimizer=sgd,adam optimizer=adam,muon)",
        ),
        (
            ["optimizer=sgd,adam", "trials=4"],
            "trials=4 is how many settings each arm tries, and tune= names",
        ),
        (["optimizer=sgd,adam", "against=adma"], "there is no arm 'adma'. Did you mean 'adam'? Arms: sgd, adam"),
        (["optimizer=sgd,adam", "seed=3"], "seed=3: a comparison trains every arm with the same seeds"),
        (["optimizer=sgd,adam", "seeds=0"], "seeds=0 must be how many seeds"),
        (["optimizer=sgd,adam", "seeds=1000000000"], "seeds=1000000000 must be how many seeds each arm gets (up to"),
        (["optimizer=sgd,adam", "seeds=3", "seeds=5"], "seeds is typed more than once (seeds=3 seeds=5)"),
        (["optimizer=sgd,adam", "tune=optimizer.lr", "tune=batch_size"], "tune is typed more than once"),
        (["sgd_vs_adam", "size=small", "size=full"], "size is typed more than once"),
        (["optimizer=sgd,adam", "tune=optimizer.lr", "trials=20000"], "trials=20000 must be how many settings"),
        (["optimizer=sgd,adam", "seeds=[1,1]"], "seeds=[1,1] must be"),
        (["optimizer=sgd,adam", "seeds=many"], "seeds=many must be"),
        (["optimizer=sgd,adam", "margin=-1"], "margin=-1 must be the smallest difference that counts"),
        (["optimizer=sgd,adam", "margin=nan"], "margin=nan must be"),
        (["optimizer=sgd,adam", "trials=2.5", "tune=optimizer.lr"], "trials=2.5 must be how many settings"),
        (["optimizer=sgd,adam", "tune="], "tune= must be the settings"),
        (["optimizer=sgd,adam", "tune"], "tune is typed with = and what it says: tune= is the settings that each arm"),
        (["optimizer=sgd,adam", "picture=nice"], "picture=nice must be what shows the answer"),
        (["optimizer=sgd,adam", "size=full"], "size=full chooses a size of a stored question"),
        (["optimizer=sgd,adam", "search=random"], "compare gives each arm trials of its own"),
        (["optimizer=sgd,adam", "trails=4"], "there is no setting 'trails'. Did you mean 'trials'?"),
        (["optimizer.lr=0.1,1", "tune=optimizer.lr"], "two arms or more"),
        (["optimizer=sgd,adam", "tune=optimizer"], "such as model=cnn,mlp"),
        (["optimizer=sgd,adam", "tune=optimizer"], "optimizer=sgd,adam is what tune= tries, and makes no arms"),
        (["optimizer=sgd,adam", "seeds="], "seeds= must be how many seeds"),
        (["optimizer=sgd,adam", "optimizer=sgd"], "optimizer is typed more than once (optimizer=sgd,adam optimizer"),
        (["optimizer=sgd", "optimizer=sgd,adam"], "optimizer is typed more than once (optimizer=sgd optimizer=sgd,ad"),
        (["optimizer=sgd,adam", "seeds=3", "seeds=5"], "seeds is typed more than once (seeds=3 seeds=5)"),
        (["hypothesis=adam", "beats", "sgd", "seeds=3"], "adam beats sgd is typed hypothesis='adam beats sgd'"),
        (["sgd_vs_adam", "activation"], "sgd_vs_adam and activation are two questions; ask one at a time"),
        (["sgd_vs_adam", "batch_size", "32"], "batch_size 32 is typed batch_size=32"),
        (["optimizer=sgd,adam", "optimizer.lr=interval(0.1,1)"], "each arm can tune: add tune=optimizer.lr"),
        (["sgd_vs_adm"], "there is no question 'sgd_vs_adm'. Did you mean 'sgd_vs_adam'?"),
        (["optimizer=sgd,adam", "against=model=cnn"], "none has this word. Arms: sgd, adam"),
        (["batch_size", "against=batch_size=512"], "no arm has this word and is else like 32 at lr 0.005, 2048"),
        (["sgd_vs_adam", "size=fulll"], "sgd_vs_adam has no size=fulll. Did you mean 'full'?"),
        (["sgd_vs_adam", "optimizer=sgd"], "two arms or more"),
        (["batch_size", "batch_size=3"], "and batch_size= would change what they are"),
        (["batch_size", "optimizer=sgd,adam"], "and optimizer= would change what they are"),
    ],
)
def test_mistakes_are_sentences(words: list[str], told: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(words)
    assert told in str(caught.value), str(caught.value)


STUDIES = registry.studies()


def test_the_stored_questions_are_no_group_of_a_run() -> None:
    assert len(STUDIES) >= 6 and registry.STUDY not in registry.groups()


@pytest.mark.parametrize("name", STUDIES)
def test_a_stored_question_is_asked(name: str) -> None:
    small, full = ask([name]), ask([name, "size=full"])
    assert small.arms == full.arms and small.size == "small" and full.size == "full"
    assert small.told["question"].endswith(("?", ")")) and len(full.told["seeds"]) > len(small.told["seeds"]) > 2
    changed = ask([name, "epochs=3", "seeds=2", "data=cifar10"])
    assert {"epochs=3", "data=cifar10"} <= set(changed.shared) and "data=mnist" not in changed.shared
    assert not any(word.startswith("epochs=") for word in changed.shared if word != "epochs=3")
    assert changed.told == {**small.told, "seeds": [1, 2]} and changed.arms == small.arms


def test_words_change_the_arms_of_a_stored_question() -> None:
    assert list(ask(["sgd_vs_adam", "optimizer=sgd,adam,muon"]).arms) == ["sgd", "adam", "muon"]
    assert ask(["sgd_vs_adam", "optimizer.lr=interval(0.1,1)"]).ranges == {"optimizer.lr": "interval(0.1,1)"}


ARMS_OF_TWO = ["optimizer=sgd,adam", "model.depth=2,6"]
PAIRS = {"adam depth 2": "sgd depth 2", "adam depth 6": "sgd depth 6"}


def test_each_arm_is_held_against_the_one_that_is_else_the_same() -> None:
    question = ask([*ARMS_OF_TWO, "against=optimizer=sgd"])
    assert (question.reference, question.pairs) == ("sgd depth 2", PAIRS)
    one = ask(["optimizer=sgd,adam", "against=optimizer=adam"])
    assert (one.reference, one.pairs) == ("adam", {}), "one reference for all is no list of pairs"
    assert (ask(ARMS_OF_TWO).reference, ask(ARMS_OF_TWO).pairs) == ("sgd depth 2", {})
    assert ask(["activation"]).pairs["depth 6 tanh"] == "depth 6 relu" and ask(["batch_size"]).pairs["512"] == "128"


OWN = "question: Which?\narms: {a: [model.width=4], b: [model.width=8]}\nsizes: {tiny: {words: [epochs=1], seeds: 2}}\n"


def own_question(folder: Path, text: str) -> Path:
    (folder / "study").mkdir()
    (folder / "study" / "mine.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_question_of_ones_own(tmp_path: Path) -> None:
    question = ask(["mine"], [own_question(tmp_path, OWN)])
    assert question.arms == {"a": ["model.width=4"], "b": ["model.width=8"]} and question.size == "tiny"
    assert question.shared == ["epochs=1"] and question.told == {"question": "Which?", "seeds": [1, 2]}
    assert question.read.folders == [tmp_path] and f"--config-dir={tmp_path}" in question.command


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- no question", "is no question"),
        ("question: [", "can't be read"),
        (OWN.replace("question: Which?\n", ""), "has no question"),
        (OWN.replace("arms:", "armes:"), "armes means nothing here. Did you mean 'arms'?"),
        (OWN.replace("seeds: 2", "seeds: -2"), "seeds must be how many seeds"),
        (OWN.replace("seeds: 2", "seed: 2"), "sizes.tiny: seed means nothing here. Did you mean 'seeds'?"),
        (OWN.replace("words: [epochs=1]", "words: epochs=1"), "sizes.tiny: words must be a list of words"),
        (OWN.replace("[model.width=4]", "4"), "arms.a must be a list of words"),
        (OWN.replace("[epochs=1]", "[--config-dir=x]"), "sizes.tiny: words must be a list of words"),
        (OWN + "shared: [--config-dir=x]\n", "shared must be a list of words"),
        (OWN.replace("tiny", "1"), "sizes: 1 is no text to YAML; as the name of a size it stands in quotes"),
        (OWN.replace("seeds: 2", "seeds: 1000000000"), "seeds must be how many seeds"),
        (OWN.replace("sizes: {tiny: ", "sizes: {tiny: 3, small: "), "sizes must be a mapping"),
        (OWN.replace("{a: [model.width=4], b: [model.width=8]}", "{1: [seed=1]}"), "arms must be named lists"),
        (OWN + "against: {}\n", "against must be the arm"),
        (OWN + "lines: [a, b]\n", "lines must be of the picture"),
        (OWN + "margin: much\n", "margin must be the smallest difference"),
        (OWN + "tune: [3]\n", "tune must be the settings"),
    ],
)
def test_mistakes_in_a_file_are_told_with_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(["mine"], [own_question(tmp_path, text)])
    assert told in str(caught.value) and "mine.yaml" in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("against: {a: c}", "there is no arm 'c'"),
        ("against: {a: a}", "a can't be compared with itself"),
        ("lines: {one: [a, d]}", "there is no arm 'd'"),
    ],
)
def test_pairs_and_lines_name_arms(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        ask(["mine"], [own_question(tmp_path, f"{OWN}{text}\n")])
