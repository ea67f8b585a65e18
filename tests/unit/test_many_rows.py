# SPDX-License-Identifier: MIT
"""Tables of hundreds of thousands of rows: made as they are taken, at the price of their text."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.sample_builder import NOW_JIFFIES, SampleBuilder
from trafficmon.layout import FLOW, FLOW_KEY, FlowFlag
from trafficmon.model.flows import Flows
from trafficmon.model.parts import Part
from trafficmon.render.csvout import write_csv
from trafficmon.render.jsonout import write_json
from trafficmon.render.shown import COLUMNS
from trafficmon.render.table import MEASURED, write_table
from trafficmon.tables.flows import flow_table
from trafficmon.tables.query import chosen
from trafficmon.tables.table import Record, Table
from trafficmon.tables.times import time_text, time_texts

ROWS = 20_000
WRITERS: dict[str, Callable[[Iterator[Record], Table, Any], None]] = {
    "json": lambda rows, _, out: write_json(rows, out),
    "csv": lambda rows, table, out: write_csv(rows, table.fields, out),
    "text": lambda rows, _, out: write_table(rows, COLUMNS["flows"], out, 200),
}


@pytest.fixture(scope="module")
def table() -> Table:
    fake = SampleBuilder()
    fake.interface(1, "eth0")
    generator = np.random.default_rng(3)
    keys, values = np.zeros(ROWS, FLOW_KEY), np.zeros(ROWS, FLOW)
    keys["local_addr"][:, :4] = (10, 0, 0, 1)
    keys["remote_addr"][:, :4] = generator.integers(1, 255, (ROWS, 4))
    keys["remote_port_be"], keys["protocol"] = np.arange(ROWS), 6
    keys["interface_id"], keys["flags"] = 2, FlowFlag.IPV4 | FlowFlag.PORTS
    for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
        values[name] = generator.integers(1, 1 << 40, ROWS)
    values["first_seen_jiffies"] = NOW_JIFFIES - generator.integers(5000, 10**6, ROWS)
    values["last_seen_jiffies_low"] = (values["first_seen_jiffies"] + 900) & 0xFFFFFFFF
    held = {**fake.sample.held, Part.FLOWS: Flows(keys, values, ROWS)}
    return flow_table(replace(fake.sample, held=held))


def every_row(table: Table) -> Iterator[Record]:
    return table.stream(chosen(table, None, None, None))


def test_rows_are_what_they_are_one_by_one_and_in_the_requested_order(table: Table) -> None:
    order = chosen(table, None, "-remote_port", None)
    reported = list(table.stream(order))
    assert len(reported) == ROWS
    assert [row["remote_port"] for row in reported] == sorted(
        row["remote_port"] for row in reported
    )
    for place in (0, 1, 2047, 2048, ROWS - 1):
        assert reported[place] == table.record(int(order[place]))


class Counted(io.StringIO):
    """Knows how many rows had been taken when a line was first written."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.at_first_line: int | None = None

    def write(self, text: str, /) -> int:
        if self.at_first_line is None and self.taken and "\n" in text:
            self.at_first_line = self.taken
        return super().write(text)

    def counting(self, rows: Iterator[Record]) -> Iterator[Record]:
        for row in rows:
            self.taken += 1
            yield row


@pytest.mark.parametrize("form", list(WRITERS))
def test_the_first_line_is_written_before_the_last_row_is_made(table: Table, form: str) -> None:
    out = Counted()
    WRITERS[form](out.counting(every_row(table)), table, out)
    assert out.taken == ROWS
    assert out.at_first_line is not None
    assert out.at_first_line <= MEASURED + 1
    assert out.getvalue().count("\n") == ROWS + {"json": 2, "csv": 1, "text": 1}[form]


class Nowhere(io.TextIOBase):
    def write(self, text: str, /) -> int:
        return len(text)


@pytest.mark.parametrize("form", list(WRITERS))
def test_rows_take_no_memory_once_they_are_written(table: Table, form: str) -> None:
    rows = every_row(table)
    next(rows)
    tracemalloc.start()
    try:
        WRITERS[form](rows, table, Nowhere())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ROWS * 250, "a record alone is a kilobyte"


@pytest.mark.parametrize(("form", "most"), [("json", 6), ("csv", 6), ("text", 16)])
def test_a_row_costs_a_few_times_what_its_json_does(table: Table, form: str, most: float) -> None:
    """A row alone costs a hundred times as much: it was a quarter of a millisecond."""

    def cpu_seconds(work: Callable[[], object]) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    record = table.record(0)
    rounds = [
        (
            cpu_seconds(lambda: [json.dumps(record) for _ in range(ROWS)]),
            cpu_seconds(lambda: WRITERS[form](every_row(table), table, Nowhere())),
        )
        for _ in range(2)
    ]
    plain, ours = (min(times) for times in zip(*rounds, strict=True))
    assert ours < most * plain


def test_numbers_beyond_the_measured_rows_are_never_cut() -> None:
    out = io.StringIO()
    records = [{**dict.fromkeys(c.name for c in COLUMNS["ports"]), "port": 1} for _ in range(2000)]
    records[-1] |= {"port": 65535, "protocol": "a-protocol-with-a-long-name"}
    write_table(records, COLUMNS["ports"], out, 60)
    assert "65535" in out.getvalue().splitlines()[-1]


def test_many_times_are_reported_as_each_alone() -> None:
    moments = [0.0, 1e9, 1.7e9 + 0.0005, 1_700_000_000.9999999, 1_764_430_000.123456]
    moments += (1.7e9 + np.random.default_rng(1).random(5000) * 1e8).tolist()
    assert time_texts(moments) == [time_text(moment) for moment in moments]
