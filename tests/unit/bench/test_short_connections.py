"""The load of short connections, against a server that says what it is told to."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.message
import dns.rdatatype

from bench.short_connections import batches, query_of, read_answers

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that has `talk` with each connection, one at a time; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # the listening socket is shut down: the end
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer_all(connection: socket.socket, *, rcode: int = 0) -> None:
    """Answer each query with its own octets and an rcode."""
    with connection.makefile("rb") as stream:
        while length := stream.read(2):
            message = bytearray(stream.read(int.from_bytes(length, "big")))
            message[2:4] = bytes((message[2] | 0x80, rcode))
            connection.sendall(length + message)


def load(port: int, folder: Path, names: int, *options: str) -> dict[str, float]:
    """Run the program, and give what it printed."""
    (folder / "queries").write_text("".join(f"n{number}.example A\n" for number in range(names)))
    command = [sys.executable, "-m", "bench.short_connections", str(port), str(folder / "queries"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_a_query_is_framed_and_asks_for_an_address() -> None:
    octets = query_of("www.example", 7)
    message = dns.message.from_wire(octets[2:])
    assert int.from_bytes(octets[:2], "big") == len(octets) - 2
    assert (message.id, message.question[0].name.to_text(), message.question[0].rdtype) == (
        7,
        "www.example.",
        dns.rdatatype.A,
    )


def test_names_are_shared_out_among_connections() -> None:
    assert [len(some) for some in batches([f"n{number}.example" for number in range(25)], 10)] == [10, 10, 5]


def test_answers_are_counted_in_whatever_pieces_they_come() -> None:
    ours, theirs = socket.socketpair()
    answers = [bytearray(query_of(f"n{number}.example", number)) for number in range(3)]
    answers[1][5] = 2  # SERVFAIL
    octets = b"".join(answers)

    def say() -> None:
        for at in range(0, len(octets), 7):
            theirs.sendall(octets[at : at + 7])

    thread = threading.Thread(target=say)
    with ours, theirs:
        thread.start()
        assert read_answers(ours, 3) == (2, 1)
        thread.join()


def test_every_query_is_asked_once_and_answered(tmp_path: Path) -> None:
    with serving(answer_all) as port:
        found = load(port, tmp_path, 105, "--queries", "10", "--seconds", "30", "--once")
    assert (found["sent"], found["answered"], found["failed"], found["lost"]) == (105, 105, 0, 0)


def test_what_is_not_answered_or_not_well_is_told(tmp_path: Path) -> None:
    with serving(lambda connection: answer_all(connection, rcode=5)) as port:
        found = load(port, tmp_path, 20, "--queries", "10", "--seconds", "30", "--once")
    assert (found["answered"], found["failed"], found["lost"]) == (0, 20, 0)
    with serving(lambda connection: None) as port:  # accepts, and closes
        found = load(port, tmp_path, 20, "--queries", "10", "--seconds", "30", "--once")
    assert (found["answered"], found["failed"], found["lost"]) == (0, 0, 20)
