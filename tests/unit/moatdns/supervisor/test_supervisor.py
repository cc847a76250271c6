"""The supervisor from start to end, with scripts for all its children: no socket listens, and no process is started."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from admin_api.messages import Begin, NoteReading, StopControl, StoreState, StoreTold, UseConfigPolicy
from blocklists.loading import load_catalogue
from blocklists.sources import compile_policy, known_references
from moatdns.build_messages import (
    CompilePolicy,
    ConfigProblems,
    MakePlan,
    PolicyCompiled,
    ReadConfig,
)
from moatdns.plan import Ground, NodePlan
from moatdns.supervisor.supervisor import Supervisor
from resolver.config.load import load_config
from resolver.config.settings import ControlSettings, WorkerSettings
from resolver.errors import ConfigError, MoatdnsError, RequestRefused, SnapshotError
from resolver.policy.compiler import CompiledRules
from resolver.snapshot.manifests import Origin
from resolver.snapshot.snapshot_file import write_snapshot
from resolver.system.channel import Refusal
from resolver.worker.messages import (
    Listening,
    Ping,
    PolicyInForce,
    Serve,
    StopWorker,
    UsePolicy,
    UsePseudonyms,
    WorkerAlive,
)
from tests.unit.children import FakeChild, FakeChildren, Script, run, until
from tests.unit.doubles import Said

from .test_control_keeper import control
from .workers import dies

BUILD, CONTROL, WORKER = "moatdns.build", "admin_api.control", "resolver.worker"
Compiled = tuple[CompiledRules, bytes]


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    catalogue = load_catalogue()
    return compile_policy(load_config(None, known_references(catalogue)).policy.model_dump(mode="json"), catalogue)


@dataclass
class Scene:
    state_dir: Path
    compiled: Compiled
    plan: NodePlan
    children: FakeChildren
    log: Said
    signals: dict[int, Callable[[], None]]

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.log.lines]

    def alive(self, module: str) -> list[FakeChild]:
        return [child for child in self.children.alive if child.module == module]

    def builds(self) -> Script:
        """The compiler, whose plan is the scene's by then."""

        async def play(child: FakeChild) -> int:
            async for received in child.channel.heard():
                answer: Any
                match received.message:
                    case ReadConfig():
                        answer = self.plan.ground
                    case MakePlan():
                        answer = self.plan
                    case CompilePolicy(folder):
                        manifest = write_snapshot(folder, *self.compiled, Origin(self.plan.fingerprint))
                        answer = PolicyCompiled(manifest.path, manifest.revision, 0.1)
                child.channel.answer(received.request, answer)
            return 0

        return play


def any_policy(refused: Collection[Path] = ()) -> Script:
    """A worker that serves the real snapshots of these tests."""

    async def play(child: FakeChild) -> int:
        child.channel.tell(Listening())
        async for received in child.channel.heard():
            child.heard.append(received.message)
            match received.message:
                case Serve(manifest=path) | UsePolicy(path):
                    answer = Refusal("damaged") if path in refused else PolicyInForce(1)
                    child.channel.answer(received.request, answer)
                case Ping():
                    child.channel.tell(WorkerAlive(0, (), ()))
                case StopWorker():
                    return 0
        return 0

    return play


@contextlib.asynccontextmanager
async def scene(
    tmp_path: Path, compiled: Compiled, *, of_modules: dict[str, list[Script]] | None = None, **changed: Any
) -> AsyncIterator[Scene]:
    ground = Ground((), 2, encrypted_workers=0, user=None, state_dir=tmp_path / "state", admin=None, block_page=())
    plan = NodePlan(
        ground=ground,
        settings=WorkerSettings(),
        control=replace(ControlSettings(str(tmp_path / "state"), admin_host=None), **changed),
        policy={"lists": [], "groups": []},
        fingerprint="first",
        notes=("a note",),
        privacy={"query_log.what": "hits"},
    )
    signals: dict[int, Callable[[], None]] = {}
    asyncio.get_running_loop().add_signal_handler = signals.__setitem__  # type: ignore[method-assign, assignment]
    one = Scene(ground.state_dir, compiled, plan, FakeChildren(), Said(), signals)
    scripts = {BUILD: [one.builds()], CONTROL: [control()], WORKER: [any_policy()], **(of_modules or {})}
    one.children = FakeChildren(of_modules=scripts)
    yield one
    assert not one.children.alive


@contextlib.asynccontextmanager
async def serving(one: Scene) -> AsyncIterator[Supervisor]:
    """A supervisor that serves, and is sent SIGTERM in the end."""
    supervisor = Supervisor(None, one.log, one.children.start)
    running = asyncio.ensure_future(supervisor.run())
    await until(lambda: "serving" in one.events or running.done())
    if running.done():
        await running
    yield supervisor
    one.signals[signal.SIGTERM]()
    await running


def test_it_starts_with_the_policy_of_the_config_and_stops_workers_first(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one:
            async with serving(one):
                assert [len(one.alive(module)) for module in (BUILD, WORKER)] == [0, 2]
                await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
                (begin,) = one.alive(CONTROL)[0].of(Begin)
                (serve,) = one.alive(WORKER)[0].of(Serve)
                assert begin.manifest == serve.manifest
                assert begin.config == UseConfigPolicy({**one.plan.policy, "source": "the built-in defaults"}, "first")
                (keeps,) = one.alive(CONTROL)
                assert "a note" in one.events
            assert keeps.heard[-1] == StopControl(for_good=True)
            assert one.events[-2:] == ["stopping", "stopped"]

    run(scenario())


def test_mistakes_of_the_config_end_the_start_before_anything_is_made(tmp_path: Path, compiled: Compiled) -> None:
    async def refuses(child: FakeChild) -> None:
        received = await child.channel.receive()
        assert received is not None
        child.channel.answer(received.request, ConfigProblems(("moatdns.yaml:3: listen: no", "moatdns.yaml:9: also")))
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with scene(tmp_path, compiled, of_modules={BUILD: [refuses]}) as one:
            with pytest.raises(ConfigError) as raised:
                async with serving(one):
                    pass
            assert raised.value.problems == ["moatdns.yaml:3: listen: no", "moatdns.yaml:9: also"]
            assert one.children.modules == [BUILD]
            assert not one.state_dir.exists()

    run(scenario())


def test_a_compiler_that_ends_or_says_garbage_ends_the_start(tmp_path: Path, compiled: Compiled) -> None:
    async def garbles(child: FakeChild) -> None:
        child.theirs.send(b"MemoryError\n")
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with scene(tmp_path, compiled, of_modules={BUILD: [dies, garbles]}) as one:
            with pytest.raises(SnapshotError, match="the compiler ended with status 1 and no message"):
                await Supervisor(None, one.log, one.children.start).run()
            with pytest.raises(SnapshotError, match="not a message of the build channel: b'MemoryError"):
                await Supervisor(None, one.log, one.children.start).run()

    run(scenario())


def test_it_does_not_start_where_another_node_serves_the_store(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        held = control(StoreTold(StoreState.TOLD, "node b serves this store"))
        async with scene(tmp_path, compiled, of_modules={CONTROL: [held]}, store_url="postgresql://x/y") as one:
            with pytest.raises(MoatdnsError, match="node b serves this store"):
                async with serving(one):
                    pass
            assert WORKER not in one.children.modules

    run(scenario())


def test_another_node_that_is_told_of_late_ends_the_service(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one:
            running = asyncio.ensure_future(Supervisor(None, one.log, one.children.start).run())
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            one.alive(CONTROL)[0].channel.tell(StoreTold(StoreState.TOLD, "node b serves this store"))
            with pytest.raises(MoatdnsError, match="node b serves this store"):
                await running

    run(scenario())


def test_workers_that_do_not_start_end_the_start_and_leave_no_process(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled, of_modules={WORKER: [dies]}) as one:
            with pytest.raises(MoatdnsError, match="ended, or did not answer within 30 s"):
                async with serving(one):
                    pass

    run(scenario())


def test_a_policy_that_no_worker_takes_is_refused_to_the_control_process(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        refused: set[Path] = set()
        async with scene(tmp_path, compiled, of_modules={WORKER: [any_policy(refused=refused)]}) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            harmful = write_snapshot(one.state_dir / "snapshots", *compiled, Origin("harmful"))
            refused.add(harmful.path)
            with pytest.raises(RequestRefused, match="ended, or was not ready within 30 s"):
                await one.alive(CONTROL)[0].channel.ask(UsePolicy(harmful.path))
            assert len(one.alive(WORKER)) == 2

    run(scenario())


def test_sighup_has_other_settings_served_by_other_processes(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            old = one.alive(WORKER)
            one.plan = replace(one.plan, settings=WorkerSettings(upstream_timeout_seconds=9.0), notes=())
            one.signals[signal.SIGHUP]()
            await until(lambda: "reloaded" in one.events)
            assert len(one.alive(WORKER)) == 2
            assert not any(child.is_alive for child in old)
            assert all(child.of(Serve)[0].settings == one.plan.settings for child in one.alive(WORKER))
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            (begin,) = one.alive(CONTROL)[0].of(Begin)
            assert (begin.reading.number, begin.worker_settings) == (2, one.plan.settings)

    run(scenario())


def test_sighup_with_nothing_new_replaces_nobody(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            before = list(one.children.alive)
            one.signals[signal.SIGHUP]()
            await until(lambda: "reloaded" in one.events)
            assert one.children.alive == before
            await until(lambda: [each.reading.number for each in one.alive(CONTROL)[0].of(NoteReading)] == [2])

    run(scenario())


@pytest.mark.slow
def test_a_reload_that_cannot_be_leaves_everything_as_it_is(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            before = list(one.children.alive)
            one.plan = replace(one.plan, certificate_trouble="tls.certificate: not readable")
            one.signals[signal.SIGHUP]()
            await until(lambda: "the config is not used; the old one stays in force" in one.events)
            one.plan = replace(one.plan, certificate_trouble="", fingerprint="other")
            one.alive(CONTROL)[0].process.end(1)  # nobody is there to put it in force, again and again
            one.signals[signal.SIGHUP]()
            await until(lambda: "reload did not finish" in one.events)
            assert one.alive(WORKER) == [child for child in before if child.module == WORKER]

    run(scenario())


@pytest.mark.slow
def test_a_reload_that_fails_leaves_workers_the_secrets_they_had(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        scripts = [any_policy(), any_policy(), dies]
        async with scene(tmp_path, compiled, of_modules={WORKER: scripts}) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            workers = one.alive(WORKER)
            (before,) = {child.of(Serve)[0].pseudonyms for child in workers}
            assert before
            telemetry = replace(one.plan.settings.telemetry, identities="full")
            one.plan = replace(one.plan, settings=replace(one.plan.settings, telemetry=telemetry))
            one.signals[signal.SIGHUP]()
            await until(lambda: "reload did not finish" in one.events)
            assert one.alive(WORKER) == workers
            for child in workers:
                assert all(order.periods == before for order in child.of(UsePseudonyms))

    run(scenario())


def test_sighup_without_pseudonyms_takes_their_secrets_from_workers(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one, serving(one):
            await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
            telemetry = replace(one.plan.settings.telemetry, identities="full")
            one.plan = replace(one.plan, settings=replace(one.plan.settings, telemetry=telemetry))
            one.signals[signal.SIGHUP]()
            await until(lambda: "reloaded" in one.events)
            for child in one.alive(WORKER):
                await until(lambda child=child: child.of(UsePseudonyms))
                assert [order.periods for order in child.of(UsePseudonyms)] == [()]

    run(scenario())


def test_sigusr2_replaces_all_workers(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one, serving(one):
            old = one.alive(WORKER)
            one.signals[signal.SIGUSR2]()
            await until(lambda: "workers restarted" in one.events)
            assert len(one.alive(WORKER)) == 2
            assert not any(child.is_alive for child in old)

    run(scenario())


def test_the_next_start_serves_what_is_on_disk_and_compiles_nothing(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, compiled) as one:
            async with serving(one):
                pass
            first = one.events.count("policy compiled")
            one.log.lines.clear()
            async with serving(one):
                pass
            assert (first, one.events.count("policy compiled")) == (1, 0)

    run(scenario())


def test_a_policy_on_disk_that_kills_workers_is_put_aside_and_compiled_anew(tmp_path: Path, compiled: Compiled) -> None:
    async def scenario() -> None:
        refused: set[Path] = set()
        async with scene(tmp_path, compiled, of_modules={WORKER: [any_policy(refused=refused)]}) as one:
            harmful = write_snapshot(one.state_dir / "snapshots", *compiled, Origin("first"))
            refused.add(harmful.path)
            async with serving(one):
                assert "a policy that no worker can read is put aside" in one.events
                assert all(child.of(Serve)[0].manifest != harmful.path for child in one.alive(WORKER))
                await until(lambda: one.alive(CONTROL) and one.alive(CONTROL)[0].heard)
                (begin,) = one.alive(CONTROL)[0].of(Begin)
                assert begin.manifest != harmful.path

    run(scenario())
