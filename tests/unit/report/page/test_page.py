"""The page of an answer: one closed file that runs nothing but its own script, and says everything."""

import base64
import hashlib
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_answers import FOUR, four_answer, made_arms, scattered, tuned_comparison
from made_runs import made_run
from timeless import without_times

from dlexp.report.figures.album import pictures
from dlexp.report.making import make_answer
from dlexp.report.page.layout import page
from dlexp.report.trials import chosen_trial

VOID = {"meta", "input", "br"}


class Parsed(HTMLParser):
    """What a page holds: elements in order with their attributes, its texts, and the text of each element by name."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, [])
        if tag not in VOID:
            self.texts[tag].append("")
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> outside of a drawing"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def named(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        """Returns the attributes of all elements of a name that have these."""
        found = [own for name, own in self.elements if name == tag]
        return [own for own in found if attributes.items() <= own.items()]


def checked(html: str) -> Parsed:
    """Parses a page, and holds it to what every page must be."""
    found = Parsed(html)
    assert not found.open, f"never closed: {found.open}"
    assert html.startswith("<!DOCTYPE html>")
    for tag, attributes in found.elements:
        assert "style" not in attributes, f"<{tag}> has a style of its own"
        assert not any(key.startswith("on") for key in attributes), f"<{tag}> listens"
        assert not attributes.keys() & {"src", "href", "srcset", "action", "data", "xlink:href"}, f"<{tag}> asks"
    names = {tag for tag, _ in found.elements}
    assert not names & {"link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "foreignobject"}
    assert len(found.texts["script"]) == len(found.texts["style"]) == 1
    assert "url(" not in found.texts["style"][0] and "@import" not in found.texts["style"][0]
    ids = [own["id"] for _, own in found.elements if "id" in own]
    assert len(ids) == len(set(ids))
    policy = next(own["content"] for own in found.named("meta") if own.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(found.texts[kind][0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    return found


def data_of(found: Parsed) -> dict:
    (text,) = found.texts["pre"]
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_a_page_is_one_closed_file(tmp_path: Path) -> None:
    answer = four_answer(tmp_path / "four")
    html = page(answer)
    found = checked(html)
    assert found.texts["h1"] == [answer.title]
    assert [text for text in found.texts["b"] if text] == [answer.sentences[0].replace("0.5 points", "0.5 points")]
    order = ["The arms, best first", "How they learned", "What this does not say", "How to do it again"]
    assert [text for text in found.texts["h2"] if text in order] == order
    words = re.sub(r"\s+", " ", " ".join(found.texts["main"]))
    for sentence in (*answer.sentences, *answer.method, *answer.scope):
        assert re.sub(r"\s+", " ", sentence) in words
    for arm in answer.arms:
        assert f"optimizer={arm.settings['optimizer']} seed=1,2,3,4,5" in words
    assert len(found.texts["script"][0].splitlines()) <= 200


def test_the_picture_stands_before_everything_that_can_wait(tmp_path: Path) -> None:
    html = page(four_answer(tmp_path / "four"))
    places = [html.index(word) for word in ('class="answer"', 'class="method"', "<figure", "<details", "<h2")]
    assert places == sorted(places)


def test_each_dot_and_interval_has_its_numbers(tmp_path: Path) -> None:
    answer = four_answer(tmp_path / "four")
    html = page(answer)
    for arm in answer.arms:
        for run, value in zip(arm.finished, arm.values, strict=True):
            assert f"<title>{arm.name}, seed {run.seed}: {100 * value:.2f} %</title>" in html
    labels = [own["aria-label"] or "" for own in checked(html).named("svg", role="img")]
    assert "adam minus sgd +0." in labels[1] and "points" in labels[1]
    assert all(f"{arm.name} {100 * (arm.interval.mean or 0):.2f} ± " in labels[0] for arm in answer.arms)


def test_the_numbers_inside_are_those_of_the_runs(tmp_path: Path) -> None:
    answer = four_answer(tmp_path / "four", epochs=6)
    told = data_of(checked(page(answer)))
    for arm, own in zip(answer.arms, told["arms"], strict=True):
        assert [run["value"] for run in own["runs"]] == arm.values
        for run, each in zip(arm.runs, own["runs"], strict=True):
            assert told["axes"][each["axis"]]["epoch"] == [row["epoch"] for row in run.epochs] == [1, 2, 3, 4, 5, 6]
            rows = [row["val/accuracy"] for row in run.epochs]
            assert each["curves"]["val/accuracy"] == pytest.approx(rows, rel=1e-4)


def test_the_same_answer_gives_the_same_bytes(tmp_path: Path) -> None:
    pages = [page(four_answer(tmp_path / name / "four")) for name in ("one", "two")]
    first, again = (html.replace(f"{tmp_path}/{name}", "") for html, name in zip(pages, ("one", "two"), strict=True))
    assert first == again


def test_what_depends_on_the_speed_stands_apart(tmp_path: Path) -> None:
    def made(name: str, seconds: float) -> str:
        arms = {each: ({"optimizer": each}, scattered(mean, 3)) for each, mean in FOUR.items()}
        answer = make_answer([made_arms(tmp_path / name / "runs", arms, seconds=seconds)])
        return page(answer).replace(f"{tmp_path}/{name}", "")

    first, second = made("one", 10.0), made("two", 37.5)
    assert first != second
    assert without_times(first) == without_times(second)


def test_every_text_of_a_person_is_escaped(tmp_path: Path) -> None:
    names = ['"><script>alert(1)</script>', "x'\"&amp;\u202e</svg></pre>", "激活函数", "<!--", "]]>\x1b[31m"]
    arms = {name: ({"model.activation": name}, scattered(0.9 + number / 100, 3)) for number, name in enumerate(names)}
    found = checked(page(make_answer([made_arms(tmp_path / "runs", arms)])))
    words = " ".join(found.texts["main"])
    assert "激活函数" in words and "<script>alert(1)</script>" in words
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", words)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(min_size=1, max_size=30), inserted=st.sampled_from(["<script>", '"', "'", "&", "</pre>", "-->", ""])
)
def test_no_text_breaks_a_page(tmp_path_factory: pytest.TempPathFactory, text: str, inserted: str) -> None:
    folder = tmp_path_factory.mktemp("runs")
    word = (inserted + text).encode("utf-8", "replace").decode()
    for number, name in enumerate((word, "relu")):
        for seed in range(2):
            value = 0.9 + number / 100 + seed / 1000
            where = folder / f"{number}-{seed}"
            made_run(where, value, seed=seed, settings={"optimizer.own": name}, error=word if number else None)
    answer = make_answer([folder])
    page_of = checked(page(answer))
    assert data_of(page_of)["arms"][0]["runs"][0]["metrics"]


def test_a_command_is_safe_to_paste(tmp_path: Path) -> None:
    arms = {name: ({"model.activation": name}, scattered(0.9, 2)) for name in ("$(touch x)", "a; rm -r b")}
    found = checked(page(make_answer([made_arms(tmp_path / "runs", arms)])))
    typed = [shlex.split(text) for text in found.texts["code"] if " seed=" in text]
    assert ["model.activation=$(touch x)"] in [words[4:5] for words in typed]
    assert ["model.activation=a; rm -r b"] in [words[4:5] for words in typed]


def test_a_tuned_comparison_tells_plan_and_budget(tmp_path: Path) -> None:
    answer = make_answer([tuned_comparison(tmp_path / "runs")])
    found = checked(page(answer))
    words = " ".join(found.texts["main"])
    assert answer.title in found.texts["h1"]
    for told in ("Planned and done", "adam beats sgd", "0.5 points: less does not matter here", "Sealed while tuning"):
        assert told in words
    assert "24 trials, 3 of them failed or diverged" in words
    assert "optimizer.lr 0.001 to 1, log scale" in words
    assert "optimizer.lr=0.005" in words
    assert sum("ring" in (own.get("class") or "") for own in found.named("circle")) == 3


def test_two_keys_make_a_table_of_rows_and_columns(tmp_path: Path) -> None:
    means = {("sgd", 0.1): 0.91, ("sgd", 0.01): 0.92, ("adam", 0.01): 0.93}
    arms = {str(key): ({"optimizer": key[0], "optimizer.lr": key[1]}, [mean, mean]) for key, mean in means.items()}
    runs = made_arms(tmp_path / "runs", arms)
    html = page(make_answer([runs], rows="optimizer", columns="optimizer.lr"))
    assert "Test accuracy, % by optimizer and optimizer.lr" in checked(html).texts["h2"]
    table = html[html.index("by optimizer and optimizer.lr") :]
    heads = re.findall(r'<th scope="col".*?>(.*?)</th>', table[: table.index("<tbody>")])
    assert heads == ["optimizer \\ optimizer.lr", "0.01", "0.1"]
    rows = re.findall(r"<tr>(.*?)</tr>", table[table.index("<tbody>") : table.index("</tbody>")])
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in rows]
    assert sorted(cells) == [["adam", "93.00", ""], ["sgd", "92.00", "91.00"]]


def test_an_arm_that_diverged_has_crosses_and_no_difference(tmp_path: Path) -> None:
    arms = {
        "low": ({"optimizer.lr": 0.05}, scattered(0.93, 5)),
        "high": ({"optimizer.lr": 0.3}, [*scattered(0.9, 4), "diverged"]),
    }
    found = checked(page(make_answer([made_arms(tmp_path / "runs", arms)])))
    first = found.named("svg", role="img")
    assert len([own for own in first if "every run" in (own["aria-label"] or "")]) == 1
    assert not [own for own in first if (own["aria-label"] or "").startswith("Differences")]
    assert len(found.named("path", **{"class": "cross"})) == 1
    assert "1 of 5 diverged" in " ".join(found.texts["text"])


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.9, 0.9]], ids=["one run", "equal runs"])
@pytest.mark.parametrize("names", [["sgd"], ["sgd", "adam"], [f"own{number}" for number in range(30)]], ids=len)
def test_pages_of_few_and_many(tmp_path: Path, names: list[str], values: list[float]) -> None:
    arms = {name: ({"optimizer": name}, values) for name in names}
    checked(page(make_answer([made_arms(tmp_path / "runs", arms)])))


def test_a_page_of_four_arms_is_light(tmp_path: Path) -> None:
    html = page(four_answer(tmp_path / "four", seeds=5, epochs=100))
    assert len(html.encode()) < 200_000
    assert "Of 2 epochs one is drawn" in html


@pytest.mark.slow
def test_many_runs_are_thinned_and_it_says_so(tmp_path: Path) -> None:
    arms = {
        str(number): ({"optimizer.lr": 0.001 * (number + 1)}, scattered(0.9 + number / 1e4, 5)) for number in range(100)
    }
    html = page(make_answer([made_arms(tmp_path / "runs", arms, epochs=3)]))
    assert "Drawn are 40 of 100 arms" in html and "Drawn are 14 of 100 arms" in html
    assert "single runs are too many to be drawn" in html
    assert len(html.encode()) < 1_000_000
    checked(html)


def test_the_trial_chosen_is_ringed_even_where_another_looks_better(tmp_path: Path) -> None:
    answer = make_answer([tuned_comparison(tmp_path / "runs")])
    plan = answer.plan
    assert plan is not None and plan.tuning is not None
    rate = answer.trials["sgd"][0].settings["optimizer.lr"]
    chosen = {**plan.tuning.chosen, "sgd": [f"optimizer.lr={rate!r}"]}
    other = replace(answer, plan=replace(plan, tuning=replace(plan.tuning, chosen=chosen)))
    sgd = next(arm for arm in answer.arms if arm.name == "sgd")
    assert chosen_trial(other, sgd, "val/accuracy") is answer.trials["sgd"][0]
    assert chosen_trial(answer, sgd, "val/accuracy") is not answer.trials["sgd"][0]


def test_a_diverged_trial_counts_in_what_trials_reach(tmp_path: Path) -> None:
    answer = make_answer([tuned_comparison(tmp_path / "runs")])
    assert len(answer.trials["sgd"]) == 8
    points = [mark for mark in pictures(answer)["tuning_curve"].drawings[0].marks if mark.shape == "dot"]
    assert len(points) == 3 * 4  # half of all trials of three arms, the diverged ones among them


def test_trials_that_results_led_to_are_not_in_the_tuning_curve(tmp_path: Path) -> None:
    answer = make_answer([tuned_comparison(tmp_path / "runs")])
    assert answer.plan is not None and answer.plan.tuning is not None
    grown = replace(answer.plan.tuning, trials=4, further=4, widened={"sgd": {"optimizer.lr": "interval(1,30)"}})
    picture = pictures(replace(answer, plan=replace(answer.plan, tuning=grown)))["tuning_curve"]
    points = [mark for mark in picture.drawings[0].marks if mark.shape == "dot"]
    assert len(points) == 2 + 4 + 4, "half of the first four of SGD, of all eight of the others"
    assert "range that was widened are left out" in picture.caption
