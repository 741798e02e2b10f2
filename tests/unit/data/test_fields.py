"""What a data set's YAML states of its fields: sizes that differ from sample to sample."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dlexp.config.compose import compose
from dlexp.data.fields import examples, fields_of, hold_to_fields
from dlexp.data.splits import Split
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble


def test_a_free_size_is_some_size_before_the_data_is_there() -> None:
    stated = {"inputs": {"kind": "plain", "dtype": "float32"}, "mask": {"shape": [None], "kind": "plain"}}
    fields = fields_of(stated, [None, 3], 2, "classes")
    found = examples(fields, 4)
    assert found["inputs"].shape == (4, 8, 3) and found["mask"].shape == (4, 8)
    for length in (1, 20):
        mask = torch.zeros(5, length, dtype=torch.int64)
        hold_to_fields(Split(torch.zeros(5, length, 3), torch.zeros(5).long(), mask=mask), fields, "train")
    for shape in ([5, 6, 4], [5, 6]):
        with pytest.raises(UserError, match=r"data\.shape=\[None, 3\], but the samples"):
            hold_to_fields(Split(torch.zeros(shape), torch.zeros(5).long(), mask=torch.zeros(5, 6)), fields, "train")
    with pytest.raises(UserError, match="has no fixed first size, by which normalised is normalised; kind: plain"):
        fields_of(None, [None, 3], 2, "classes")
    with pytest.raises(
        UserError, match=r"must be a mapping with .*, such as 'data.fields=\{inputs: \{kind: plain\}\}'"
    ):
        fields_of({"kind": "plain"}, [3], 2, "classes")


def test_means_over_padding_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "series.npz", x=np.zeros((10, 2, 8)), y=np.arange(10) % 2)
    words = ["data=arrays", f"data.file={tmp_path / 'series.npz'}", "data.layout=series", "data.shape=[2,null]"]
    config = compose([*words, "threads=1"]).config
    with pytest.raises(UserError, match=r"the samples' inputs differ in size.*data\.mean and data\.std say what it is"):
        assemble(config | {"model": {"_target_": "torch.nn.Flatten"}})


def test_made_up_samples_can_be_packed_and_are_all_seen() -> None:
    """Zeros are no lengths, and a mean over nothing is no number."""
    stated = {
        "inputs": {"kind": "plain", "dtype": "float32"},
        "lengths": {"shape": [], "dtype": "int64", "kind": "plain"},
        "mask": {"shape": [None], "dtype": "bool", "kind": "plain"},
        "kind_of": {"shape": [], "dtype": "int64", "kind": "plain", "example": 2},
        "targets": {"shape": [None], "dtype": "int64", "kind": "plain"},
    }
    found = examples(fields_of(stated, [None, 3], 4, "classes"), 2)
    packed = torch.nn.utils.rnn.pack_padded_sequence(found["inputs"], found["lengths"], batch_first=True)
    padded = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)[0]
    assert padded.shape[1] == found["targets"].shape[1] and found["mask"].all() and not found["targets"].any()
    assert found["kind_of"].tolist() == [2, 2]
    fixed = examples(fields_of({**stated, "mask": {"shape": [5]}, "targets": {}}, [5, 3], 4, "classes"), 2)
    assert fixed["lengths"].tolist() == [1, 1]
    with pytest.raises(UserError, match=r"data.fields.inputs.example=two must be a number"):
        fields_of({"inputs": {"example": "two"}}, [3], 4, "classes")
