"""An upstream over TCP whose answers are the worst there are: ``python -m prove.worst_program '{"port": …}'``.

The first label of a name says which: its number among `ANSWERS`, as a letter where the name has room for no more.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time

from prove.messages import answer, name_of, question_end
from prove.programs import Behaviour, run_program, until_told
from prove.worst_messages import ANSWERS, number_of

ADDRESS = "192.0.2.1"
_TTL_SECONDS = 300


class _Upstream:
    def __init__(self) -> None:
        self._kinds = list(ANSWERS.values())
        self.asked: list[str] = []
        self.connections: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                said = self._answer(await reader.readexactly(length))
                writer.write(struct.pack("!H", len(said)) + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.connections.discard(writer)
            writer.close()

    def _answer(self, query: bytes) -> bytes:
        name = name_of(query)
        question = query[12 : question_end(query)]
        self.asked.append(json.dumps([time.monotonic(), 0, int.from_bytes(query[:2], "big"), name]))
        number = number_of(question)
        if number is None:
            return answer(query[:2], question, ADDRESS, _TTL_SECONDS)
        return self._kinds[number].message(query[:2], question)


async def _serve(behaviour: Behaviour) -> list[str]:
    """Answer until told to end; gives what was asked."""
    upstream = _Upstream()
    server = await asyncio.start_server(upstream.connected, "127.0.0.1", behaviour["port"])
    await until_told(behaviour)
    server.close()
    for writer in upstream.connections:
        writer.close()
    await asyncio.sleep(0)
    return upstream.asked


if __name__ == "__main__":
    run_program(_serve)
