"""What a report says, word for word: read these as a statistician would."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run, made_sweep

from dlexp.report.circumstances import method
from dlexp.report.making import make_answer
from dlexp.report.words import counted, few, in_range, p_in_words, ranges, two_digits

OPTIONS = ("sgd", "adam", "adamw", "rmsprop", "lion", "lamb", "lbfgs", "muon")
SGD, ADAM, ADAMW = (
    [0.9633, 0.9662, 0.9652, 0.9668, 0.9642],
    [0.9666, 0.9670, 0.9666, 0.9692, 0.9684],
    [0.9649, 0.9659, 0.9651, 0.9662, 0.9660],
)
MAE = {
    "loss": {"unit": "", "higher_is_better": False, "title": ""},
    "mae": {"unit": "", "higher_is_better": False, "title": "mean absolute error"},
}
REFERENCE = {"against": "sgd"}
SAID: dict[str, tuple[list[Sequence[float | str]], dict[str, Any], list[str]]] = {
    "better": (
        [SGD, ADAM],
        REFERENCE,
        [
            "Test accuracy: adam is better than sgd.",
            (
                "Means of five seeds each: adam 96.76 %, sgd 96.51 %. Difference: +0.24 points (95 % "
                "interval +0.05 to +0.43; p = 0.020)."
            ),
        ],
    ),
    "better by less than the margin": (
        [SGD, ADAM],
        {**REFERENCE, "margin": 0.5},
        [
            "Test accuracy: adam is better than sgd by less than 0.5 points.",
            (
                "Means of five seeds each: adam 96.76 %, sgd 96.51 %. Difference: +0.24 points (95 % "
                "interval +0.05 to +0.43; p = 0.020)."
            ),
        ],
    ),
    "worse": (
        [ADAM, SGD],
        REFERENCE,
        [
            "Test accuracy: adam is worse than sgd.",
            (
                "Means of five seeds each: sgd 96.76 %, adam 96.51 %. Difference: −0.24 points (95 % "
                "interval −0.43 to −0.05; p = 0.020)."
            ),
        ],
    ),
    "no difference": (
        [SGD, [value + 0.0005 for value in SGD[::-1]]],
        {**REFERENCE, "margin": 1.0},
        [
            (
                "Test accuracy: no difference larger than 1 point between adam and sgd, and which of "
                "them is ahead is not decided."
            ),
            (
                "Means of five seeds each: adam 96.56 %, sgd 96.51 %. Difference: +0.05 points (95 % "
                "interval −0.16 to +0.26; p = 0.595)."
            ),
        ],
    ),
    "not decided": (
        [SGD[:3], ADAM[:3]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means of three seeds each: adam 96.67 %, sgd 96.49 %. Difference: +0.18 points (95 % "
                "interval −0.17 to +0.54; p = 0.161)."
            ),
            (
                "Three seeds an arm see differences from roughly 0.47 points on; for the one measured "
                "about 8 would be needed. “Not decided” does not mean equal."
            ),
        ],
    ),
    "not decided, of two seeds": (
        [SGD[:2], ADAM[:2]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means of two seeds each: adam 96.68 %, sgd 96.47 %. Difference: +0.20 points (95 % "
                "interval −1.50 to +1.91; p = 0.389)."
            ),
            (
                "Two seeds an arm see differences from roughly 2.3 points on; for the one measured about "
                "11 would be needed. “Not decided” does not mean equal."
            ),
            ("Of two seeds a 95 % interval reaches 12.7 standard errors to each side: a third narrows it to 4.3."),
        ],
    ),
    "not decided, and no difference measured": (
        [SGD, SGD[::-1]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means of five seeds each: adam 96.51 %, sgd 96.51 %. Difference: 0.00 points (95 % "
                "interval −0.21 to +0.21; p = 1.000)."
            ),
            ("Five seeds an arm see differences from roughly 0.3 points on. “Not decided” does not mean equal."),
        ],
    ),
    "three arms, each verdict": (
        [SGD, ADAM, [value + 0.0003 for value in SGD[::-1]]],
        {**REFERENCE, "margin": 0.3},
        [
            (
                "Test accuracy: adam is better than sgd; no difference larger than 0.3 points between "
                "adamw and sgd, and which of them is ahead is not decided."
            ),
            (
                "Means of five seeds each: adam 96.76 %, adamw 96.54 %, sgd 96.51 %. Differences: adam − "
                "sgd: +0.24 points (corrected 95 % interval +0.01 to +0.47; p = 0.040); adamw − sgd: "
                "+0.03 points (−0.22 to +0.28; p = 1.000)."
            ),
            "By the mean the order is adam, adamw, sgd; that of neighbours may be chance.",
        ],
    ),
    "all pairs": (
        [SGD, ADAM, ADAMW],
        {"all_pairs": True},
        [
            ("Test accuracy: not decided: adam against adamw and sgd; not decided between adamw and sgd."),
            (
                "Means of five seeds each: adam 96.76 %, adamw 96.56 %, sgd 96.51 %. Differences: adam − "
                "adamw: +0.19 points (corrected 95 % interval 0.00 to +0.39; p = 0.051); adam − sgd: "
                "+0.24 points (−0.01 to +0.49; p = 0.060); adamw − sgd: +0.05 points (−0.19 to +0.29; p "
                "= 1.000)."
            ),
            (
                "Five seeds an arm see differences from roughly 0.26 to 0.35 points on; for those "
                "measured about 8 to 110 would be needed. “Not decided” does not mean equal."
            ),
            "By the mean the order is adam, adamw, sgd; that of neighbours may be chance.",
        ],
    ),
    "one diverged": (
        [SGD, [*ADAM[:4], "diverged"]],
        REFERENCE,
        [
            "No verdict between adam and sgd (1 of 5 runs of adam diverged).",
            "Means (test accuracy): sgd 96.51 % (five seeds).",
            (
                "1 of 5 runs of adam diverged. The 4 that finished have on average 96.73 %: without the "
                "others that flatters adam, so it ranks behind arms without such runs."
            ),
        ],
    ),
    "all diverged": (
        [SGD, ["diverged", "diverged"]],
        REFERENCE,
        [
            "No verdict between adam and sgd (both runs of adam diverged).",
            "Means of five seeds each (test accuracy): sgd 96.51 %.",
            "Both runs of adam diverged.",
        ],
    ),
    "one finished of three": (
        [SGD, ADAM, [0.95, "failed", "diverged"]],
        REFERENCE,
        [
            (
                "Test accuracy: adam is better than sgd; no verdict between adamw and sgd (1 of 3 runs "
                "of adamw diverged, 1 failed)."
            ),
            (
                "Means: adam 96.76 % (five seeds), sgd 96.51 % (five seeds). Difference: +0.24 points "
                "(corrected 95 % interval +0.01 to +0.47; p = 0.040)."
            ),
            (
                "1 of 3 runs of adamw diverged, 1 failed. The one that finished has 95.00 %: without the "
                "others that flatters adamw, so it ranks behind arms without such runs."
            ),
        ],
    ),
    "two diverged": (
        [SGD[:3], ADAM[:3], [0.9, "diverged", "diverged"], ["diverged"] * 3],
        REFERENCE,
        [
            (
                "Test accuracy: not decided between adam and sgd; no verdict: adamw and rmsprop against sgd (runs of"
                " each diverged or failed)."
            ),
            (
                "Means: adam 96.67 % (three seeds), sgd 96.49 % (three seeds). Difference: +0.18 points (corrected 95 %"
                " interval −0.43 to +0.80; p = 0.483)."
            ),
            (
                "Three seeds an arm see differences from roughly 0.81 points on; for the one measured about 10 would be"
                " needed. “Not decided” does not mean equal."
            ),
            (
                "2 of 3 runs of adamw diverged. The one that finished has 90.00 %: without the others that flatters"
                " adamw, so it ranks behind arms without such runs."
            ),
            "All 3 runs of rmsprop diverged.",
        ],
    ),
    "the reference failed": (
        [["failed", *SGD[1:]], ADAM],
        REFERENCE,
        [
            "No verdict between adam and sgd (1 of 5 runs of sgd failed).",
            "Means (test accuracy): adam 96.76 % (five seeds).",
            (
                "1 of 5 runs of sgd failed. The 4 that finished have on average 96.56 %: without the "
                "others that flatters sgd, so it ranks behind arms without such runs."
            ),
        ],
    ),
    "nothing finished": (
        [["failed"], ["diverged"]],
        {},
        [
            "No run gave a number, so there is nothing to compare.",
            "The only run of adam diverged.",
            "The only run of sgd failed.",
        ],
    ),
    "one run each": (
        [SGD[:1], ADAM[:1], ADAMW[:1]],
        REFERENCE,
        [
            ("One run each, so nothing is decided: how far another seed would move these figures is not known."),
            "In order of test accuracy: adam 96.66 %, adamw 96.49 %, sgd 96.33 %.",
        ],
    ),
    "one run of one arm": (
        [SGD, ADAM[:1]],
        REFERENCE,
        [
            "No verdict between adam and sgd (adam has one run).",
            "Means (test accuracy): adam 96.66 % (one seed), sgd 96.51 % (five seeds).",
        ],
    ),
    "different numbers of seeds": (
        [SGD, ADAM[:3]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means: adam 96.67 % (three seeds), sgd 96.51 % (five seeds). Difference: +0.16 points "
                "(95 % interval −0.12 to +0.44; p = 0.135)."
            ),
            (
                "3 to 5 seeds an arm see differences from roughly 0.36 points on; for the one measured "
                "about 9 would be needed. “Not decided” does not mean equal."
            ),
        ],
    ),
    "one arm": (
        [SGD],
        {},
        [
            ("mlp on spiral with sgd: test accuracy 96.51 %, the mean of five seeds (95 % interval 96.34 to 96.69)."),
            ("Nothing is compared: there is one arm. Single runs scatter by 0.14 points (standard deviation)."),
        ],
    ),
    "one arm, one diverged": (
        [[*SGD[:4], "diverged"]],
        {},
        [
            ("mlp on spiral with sgd: test accuracy 96.54 %, the mean of four seeds that finished."),
            ("Nothing is compared: there is one arm. Single runs scatter by 0.15 points (standard deviation)."),
            ("1 of 5 runs of mlp on spiral with sgd diverged. What is said is of the others, and flatters it."),
        ],
    ),
    "one run": (
        [SGD[:1]],
        {},
        [
            "mlp on spiral with sgd: test accuracy 96.33 % in one run.",
            "One run does not show how far another seed would move it.",
        ],
    ),
    "identical": (
        [[1.0] * 3, [0.99] * 3],
        {**REFERENCE, "margin": 1.0},
        [
            "No verdict between adam and sgd (each is identical in every seed).",
            "Means of three seeds each (test accuracy): sgd 100.00 %, adam 99.00 %.",
        ],
    ),
    "one arm identical": (
        [[1.0] * 3, [0.98, 0.985, 0.99]],
        REFERENCE,
        [
            "Test accuracy: adam is worse than sgd.",
            (
                "Means of three seeds each: sgd 100.0 %, adam 98.5 %. Difference: −1.5 points (95 % "
                "interval −2.7 to −0.3; p = 0.035)."
            ),
            "sgd is identical in every seed.",
        ],
    ),
    "one arm alone, identical": (
        [[1.0] * 3],
        {},
        [
            ("mlp on spiral with sgd: test accuracy 100.00 %, the mean of three seeds, identical in every one."),
        ],
    ),
    "eight arms": (
        [[value - 0.002 * place * place for value in SGD] for place in range(8)],
        REFERENCE,
        [
            (
                "Test accuracy: adamw, rmsprop, lion, lamb, lbfgs and muon are worse than sgd; not "
                "decided between adam and sgd."
            ),
            (
                "Means of five seeds each: sgd 96.51 %, adam 96.31 %, adamw 95.71 %, rmsprop 94.71 %, "
                "lion 93.31 %, lamb 91.51 % and 2 more (see the table). Differences: adam − sgd: −0.20 "
                "points (corrected 95 % interval −0.52 to +0.12; p = 0.403); adamw − sgd: −0.80 points "
                "(−1.12 to −0.48; p < 0.001); rmsprop − sgd: −1.80 points (−2.12 to −1.48; p < 0.001); "
                "lion − sgd: −3.20 points (−3.52 to −2.88; p < 0.001); lamb − sgd: −5.00 points (−5.32 "
                "to −4.68; p < 0.001); lbfgs − sgd: −7.20 points (−7.52 to −6.88; p < 0.001) and 1 more "
                "(see the table)."
            ),
            (
                "Five seeds an arm see differences from roughly 0.44 points on; for the one measured "
                "about 15 would be needed. “Not decided” does not mean equal."
            ),
            (
                "By the mean the order is sgd, adam, adamw, rmsprop, lion, lamb and 2 more; that of "
                "neighbours may be chance."
            ),
        ],
    ),
    "a wide and a narrow arm": (
        [[0.5, 0.9, 0.7], [0.951, 0.952, 0.953]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means of three seeds each: adam 95.2 %, sgd 70.0 %. Difference: +25.2 points (95 % "
                "interval −24.5 to +74.9; p = 0.161)."
            ),
            (
                "Three seeds an arm see differences from roughly 65 points on; for the one measured "
                "about 8 would be needed. “Not decided” does not mean equal."
            ),
        ],
    ),
    "shares that can't differ by so much": (
        [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]],
        REFERENCE,
        [
            "Test accuracy: not decided between adam and sgd.",
            (
                "Means of three seeds each: adam 67 %, sgd 67 %. Difference: 0 points (95 % "
                "interval −131 to +131; p = 1.000)."
            ),
            "Three seeds an arm see no difference that is possible. “Not decided” does not mean equal.",
        ],
    ),
}


def said(folder: Path, values: Sequence[Sequence[float | str]], options: dict[str, Any], **facts: Any) -> list[str]:
    names = OPTIONS[: len(values)]
    arms = {name: {"optimizer": name} for name in names}
    made_sweep(folder, arms, dict(zip(names, values, strict=True)), **facts)
    return make_answer([folder], **options).sentences


@pytest.mark.parametrize("case", SAID)
def test_what_is_said(tmp_path: Path, case: str) -> None:
    values, options, sentences = SAID[case]
    assert said(tmp_path / "sweep", values, options) == sentences


def test_lower_is_better_and_has_no_unit(tmp_path: Path) -> None:
    values = [[14103.0, 14520.0, 13900.0, 14250.0], [12800.0, 12950.0, 13100.0, 12700.0]]
    assert said(tmp_path / "sweep", values, REFERENCE, measures=MAE, metric="val/mae") == [
        "Test mean absolute error (lower is better): adam is better than sgd.",
        "Means of four seeds each: adam 12888, sgd 14193. Difference: −1306 (95 % interval −1704 to −908; p < 0.001).",
    ]


def test_a_small_loss_has_the_digits_of_its_interval(tmp_path: Path) -> None:
    values = [[0.00031, 0.00032, 0.00030], [0.00021, 0.00022, 0.00020]]
    found = said(tmp_path / "sweep", values, REFERENCE, measures=MAE, metric="val/mae")
    assert found[1].startswith("Means of three seeds each: adam 0.000210, sgd 0.000310. Difference: −0.000100 (")


def test_arms_on_different_data_are_not_told_apart_from_their_data(tmp_path: Path) -> None:
    for name in ("mnist", "spiral"):
        for seed in range(3):
            made_run(
                tmp_path / f"{name}-{seed}", SGD[seed] - 0.1 * (name == "mnist"), seed=seed, settings={"data": name}
            )
    found = make_answer([tmp_path]).sentences
    assert "The arms were measured on different data, so a difference may be that of the samples alone." in found


@pytest.mark.parametrize(("field", "is_data"), [("data", True), ("initial_weights", False)])
def test_other_samples_are_other_data_and_other_weights_are_not(tmp_path: Path, field: str, is_data: bool) -> None:
    for content, values in (("one", SGD), ("other", ADAM)):
        for seed, value in enumerate(values):
            own = {"settings": {"init_from": "pre"}, "data": "same", field: content}
            made_run(tmp_path / f"{content}-{seed}", value, seed=seed, **own)
    answer = make_answer([tmp_path])
    assert len(answer.arms) == 2
    assert any("measured on different data" in each for each in answer.sentences) == is_data
    assert any("all runs share one division" in each for each in answer.scope) != is_data


def test_the_method_tells_of_sizes_hypothesis_and_the_last_weights(tmp_path: Path) -> None:
    for arm, values in (("sgd", SGD), ("adam", ADAM), ("adamw", ADAMW[:4])):
        for seed, value in enumerate(values):
            settings = {"optimizer": arm}
            made_run(tmp_path / f"{arm}-{seed}", value, seed=seed, settings=settings, chosen_epoch=None)
    answer = make_answer([tmp_path], against="sgd")
    told = " ".join(answer.method)
    assert "is read once a run, with the last weights: nothing validates." in told
    assert "where numbers of seeds differ with the degrees of freedom of the smaller one" in told
    assert "two comparisons with sgd (Bonferroni)" in told
    another = replace(answer.differences[0], arm="adam", reference="adamw")
    found = replace(answer, differences=[*answer.differences, another], comparisons=3)
    assert "three comparisons with sgd, that of the hypothesis among them (Bonferroni)" in " ".join(method(found))
    assert [found.degrees for found in answer.differences if found.arm == "adamw"] == [3]


def test_no_sentence_claims_a_test_that_was_not_made(tmp_path: Path) -> None:
    """Of runs without a verdict neither method nor scope speak of tests, corrections or visible differences."""
    for place, values in enumerate(
        ([SGD[:1], ADAM[:1]], [SGD], [SGD, [*ADAM[:4], "diverged"]], [["failed"], ["failed"]])
    ):
        said(tmp_path / str(place), values, {})
        answer = make_answer([tmp_path / str(place)])
        text = " ".join([*answer.sentences, *answer.method, *answer.scope])
        assert not any(
            word in text for word in ("t-test", "orrected", "Bonferroni", "p = ", "p <", "repetitions", "No plan")
        )


def test_small_words() -> None:
    assert [counted(number, "run") for number in (0, 1, 2, 11)] == ["no runs", "one run", "two runs", "11 runs"]
    assert few(["a"]) == "a" and few(["a", "b"]) == "a and b" and few(list("abc")) == "a, b and c"
    assert few(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert [two_digits(value) for value in (0.3349, 8, 109.0, 0.05)] == ["0.33", "8", "110", "0.05"]
    assert in_range([0.261, 0.345]) == "0.26 to 0.34" and in_range([0.301, 0.302]) == "0.3"
    assert [ranges(numbers) for numbers in ([1], [1, 2], [1, 2, 3], [7, 1, 2])] == [
        "1",
        "1 and 2",
        "1 to 3",
        "1, 2 and 7",
    ]
    told = [p_in_words(p) for p in (0.0602, 0.00099, 1.0, 0.04996, 0.05, 0.0501)]
    assert told == ["p = 0.060", "p < 0.001", "p = 1.000", "p = 0.04996", "p = 0.050", "p = 0.050"]


def test_the_scope_holds_for_the_data_at_hand(tmp_path: Path) -> None:
    """What is said of splits and of the test set is what the runs have in common."""
    for name, options in (("same", {}), ("own", {"data.split_seed": 3})):
        for seed in range(3):
            for arm, more in (("sgd", {}), ("adam", options)):
                made_run(tmp_path / name / f"{arm}-{seed}", SGD[seed], seed=seed, settings={"optimizer": arm, **more})
    share = "all runs share one division into training, validation and test"
    assert any(share in each for each in make_answer([tmp_path / "same"]).scope)
    for seed in range(3):
        for arm in ("sgd", "adam"):
            facts: dict[str, Any] = {"metrics": {"train/accuracy": SGD[seed]}, "metric": "train/accuracy"}
            made_run(tmp_path / "whole" / f"{arm}-{seed}", seed=seed, settings={"optimizer": arm}, **facts)
    scope = " ".join(make_answer([tmp_path / "whole"], metric="train/accuracy").scope)
    assert "all runs are trained and measured on the same ones" in scope and "division" not in scope
    found = make_answer([tmp_path / "own"])
    assert "data.split_seed" in found.varied and not any(share in each for each in found.scope)
    assert any("The arms differ in their data" in each for each in found.scope)


def test_splits_drawn_by_the_seed_are_divisions_of_the_same_samples(tmp_path: Path) -> None:
    for seed, value in enumerate(SGD):
        for arm, more in (("sgd", 0.0), ("adam", 0.002 + 0.0005 * seed)):
            settings = {"optimizer": arm, "data.split_seed": seed}
            held_out = ["data.test_size", "data.val_size"]
            made_run(tmp_path / f"{arm}-{seed}", value + more, seed=seed, settings=settings, held_out=held_out)
    assert (
        "Each seed has its own data.split_seed: the intervals tell the scatter of both, over divisions of these"
        " samples, which overlap, and not of new samples."
    ) in make_answer([tmp_path]).scope
