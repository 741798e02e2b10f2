"""Records made many at once are those of TensorBoard's own writer."""

import io
import random

from tensorboard.summary.writer.record_writer import RecordWriter

from dlexp.records.event_records import as_records


def test_records_are_those_of_tensorboards_writer() -> None:
    generator = random.Random(0)
    contents = [generator.randbytes(generator.randint(4, 300)) for _ in range(50)]
    one_by_one = io.BytesIO()
    for content in contents:
        RecordWriter(one_by_one).write(content)
    assert b"".join(as_records(contents)) == one_by_one.getvalue()
    assert as_records([]) == []
