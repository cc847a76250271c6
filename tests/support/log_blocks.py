"""Blocks of the query log, made of rows as a search finds them: client, group, name and so on in columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from admin_api.query_log.day_blocks import DayBlocks, StoredBlock
from resolver.telemetry.query_block_reading import read_header
from resolver.telemetry.query_block_rewriting import PackableRows
from resolver.telemetry.query_blocks import LogFacts, log_facts, pack

Row = Sequence[Any]
_ROWS = 500  # of a block, as workers make them
_IDENTITY = 14  # the place in a row


class BlockMaker:
    """Maker of blocks. Each row is as files.FOUND says, with or without remark and identity."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Any, ...], LogFacts] = {}
        self._rests: dict[bytes, bytes] = {}

    def rows(self, rows: Sequence[Row]) -> PackableRows:
        """The rows, as they are packed."""
        return PackableRows(
            [round(row[0] * 1000) for row in rows],
            [_client_of(row) for row in rows],
            [self._of(row) for row in rows],
            [row[12] or 0.0 for row in rows],
        )

    def block(self, rows: Sequence[Row]) -> bytes:
        """The block of rows."""
        return pack(*self.rows(rows))

    def _of(self, row: Row) -> LogFacts:
        key = (*row[2:12], *row[13:14])
        facts = self._facts.get(key)
        if facts is None:
            _, _, group, name, qtype, *rest = row[:12]
            remarks = [one for one in row[13:14] if one is not None]
            facts = self._facts[key] = log_facts(name, (group, qtype, *rest, *remarks))
            facts.rest = self._rests.setdefault(facts.rest, facts.rest)
        return facts


def _client_of(row: Row) -> bytes:
    address, identity = row[1] or "", row[14] if len(row) > _IDENTITY else None
    return json.dumps(address if identity is None else [address, identity]).encode()


def add_rows(folder: Path, day: str, rows: Iterable[Row], size: int = _ROWS) -> None:
    """Write rows into a day of the folder of a query log, in blocks of so many."""
    maker = BlockMaker()
    some = iter(rows)
    with closing(DayBlocks(folder, day)) as blocks:
        while batch := list(itertools.islice(some, 20_000)):
            made = [maker.block(batch[at : at + size]) for at in range(0, len(batch), size)]
            whole: list[StoredBlock] = [(read_header(block), block) for block in made]
            blocks.add(whole, PackableRows([], [], [], []))
