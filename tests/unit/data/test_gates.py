"""Gates: all rows of their truth tables, and nothing to test on."""

from dlexp.data.gates import GATES, gates


def test_gates_are_their_truth_tables() -> None:
    tables = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "xor": [0, 1, 1, 0], "xnor": [1, 0, 0, 1]}
    assert {*tables, "not"} == set(GATES)
    for gate, answers in tables.items():
        splits = gates(gate=gate)
        assert splits.train.inputs[:].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert splits.train.targets.tolist() == answers and splits.test is None
    inverted = gates(gate="not").train
    assert inverted.inputs[:].tolist() == [[0], [1]] and inverted.targets.tolist() == [1, 0]
