"""Names of the folders of a comparison's runs."""

from dlexp.compare.jobs import arm_jobs
from dlexp.compare.question import ask


def test_every_arm_has_a_name_of_its_own() -> None:
    question = ask(["model.width=4,8"])
    for names, folders in (
        (["wide", "narrow one"], ["wide", "narrow-one"]),
        (["宽", "窄"], ["arm-1", "arm-2"]),
        (["lr 0.1 宽", "lr 0.1 窄"], ["arm-1", "arm-2"]),
        (["a b", "a-b", "≥"], ["a-b", "a-b-2", "arm-3"]),
        (["lr 1e+10", "lr 1e-10"], ["lr-1e10", "lr-1e-10"]),
    ):
        arms = {name: [f"model.width={number}"] for number, name in enumerate(names, start=1)}
        question.arms.clear()
        question.arms.update(arms)
        assert [job.name for job in arm_jobs(question)] == folders
