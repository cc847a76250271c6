"""Children as real processes: started, asked, crashed, hanging and ended."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from resolver.errors import ChannelClosed, ChannelError, MoatdnsError, RequestRefused
from resolver.system.channel import Asks, MessageSet
from resolver.system.child_process import ChildProcess

HEAD = """
import os, signal, socket, sys, time
from resolver.system.channel import Refusal
from resolver.system.child_process import work_for_parent
from tests.unit.resolver.system.test_child_process import Doubled, Double, WORDS
"""


@dataclass(frozen=True, slots=True)
class Doubled:
    value: str
    ignored: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Double(Asks[Doubled]):
    value: str


WORDS = MessageSet("words", 1, Doubled, patience_seconds={Double: 30.0})


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are found in, beside this repository."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[4]}")
    return tmp_path


async def start(written: Path, code: str, **more: object) -> ChildProcess:
    (written / "a_child.py").write_text(HEAD + code)
    return await ChildProcess.start("a_child", WORDS, "the child", **more)  # type: ignore[arg-type]


WORKS = """
def take(request):
    if request.value == "refuse":
        return Refusal("not this one")
    signals = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    ignored = [number for number in signals if signal.getsignal(number) is signal.SIG_IGN]
    return Doubled(request.value * 2, tuple(map(int, ignored)))
"""


async def test_a_child_answers_again_and_again_and_leaves_signals_to_its_parent(written: Path) -> None:
    child = await start(written, WORKS + "work_for_parent(WORDS, take, terminates=False)")
    signals = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    assert await child.ask(Double("ab")) == Doubled("abab", tuple(map(int, signals)))
    with pytest.raises(RequestRefused, match=r"^not this one$"):
        await child.ask(Double("refuse"))
    assert (await child.ask(Double("x" * 300_000))).value == "x" * 600_000
    await child.end()
    assert child.status == -signal.SIGKILL


async def test_a_child_ends_when_its_parent_closes_the_channel(written: Path) -> None:
    child = await start(written, WORKS + "work_for_parent(WORDS, take)")
    assert (await child.ask(Double("a"))).ignored[-1] != signal.SIGTERM
    child.channel.close()
    assert await child.end_within(30.0)
    assert child.status == 0


async def test_a_child_that_crashes_is_told_of_with_its_status(written: Path) -> None:
    child = await start(written, "sys.exit(3)")
    with pytest.raises(ChannelClosed, match="the child ended with status 3 and no message"):
        await child.ask(Double("a"))
    assert child.status == 3


async def test_a_child_that_says_garbage_is_told_of(written: Path) -> None:
    child = await start(written, 'socket.socket(fileno=int(sys.argv[1])).sendall(b"hello\\n"); time.sleep(60)')
    with pytest.raises(ChannelError, match="not a message of the words channel: b'hello"):
        await child.ask(Double("a"))
    await child.end()


async def test_a_child_that_does_not_stop_is_killed(written: Path) -> None:
    child = await start(written, "time.sleep(60)")
    assert not await child.end_within(0.01)
    assert child.status == -signal.SIGKILL
    child.kill()  # once more does no harm
    child.channel.close()


async def test_a_child_inherits_what_it_is_given_and_nothing_of_the_folder_it_is_started_in(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a_child.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(elsewhere)
    one, other = socket.socketpair()
    with one, other:
        child = await start(
            written, f"socket.socket(fileno={other.fileno()}).send(b'here')", descriptors=[other.fileno()]
        )
        assert await asyncio.to_thread(one.recv, 10) == b"here"
        assert await child.end_within(30.0)
        child.channel.close()


async def test_that_no_process_can_be_started_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(MoatdnsError, match="the child cannot be started: No such file"):
        await ChildProcess.start("a_child", WORDS, "the child")
