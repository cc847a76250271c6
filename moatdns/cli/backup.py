"""Commands that save a node in one file, and bring it back from there: backup, restore."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from admin_api.audit.head import noted_heads
from admin_api.backup import making, restoring
from admin_api.backup.container import BackupManifest, BackupSource
from admin_api.query_log.erased import ErasureNote, told_in
from admin_api.signed.keys import key_file
from admin_api.store.heads import Head
from blocklists.loading import load_catalogue
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.kept_heads import HeadKeyOption, HeadOption, signed_heads
from moatdns.cli.output import ProgressLine, print_json, print_line, print_lines
from moatdns.cli.reading import load, owner_account
from moatdns.cli.store import ACTOR, who_runs_this
from moatdns.supervisor.own_process import held_state
from moatdns.supervisor.privileges import acting_as
from moatdns.supervisor.state_dir import prepare
from resolver.config.fields import secret
from resolver.config.schema import Config
from resolver.errors import MoatdnsError
from resolver.system.privileges import Account
from resolver.system.scheduling import give_way
from resolver.system.state_files import writing_whole

app = typer.Typer()

LEAST_PASSPHRASE: Final = 12
"""Characters that a passphrase of a new backup has at least."""
_MOST_PASSPHRASE = 4096  # octets
_MOST_NAMED = 20  # openings by the policy

PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="The passphrase is the first line of that file."),
]


@app.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write; an old one is replaced at once.")],
    passphrase_file: PassphraseOption = None,
    with_query_log: Annotated[bool, typer.Option("--with-query-log", help="The query log's days, too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save all that a node needs to be itself again in one file; works while the server runs."""
    path, loaded = load(config)
    passphrase = _passphrase(passphrase_file)
    if passphrase is not None and len(passphrase.decode("utf-8", "replace")) < LEAST_PASSPHRASE:
        fail(f"--passphrase-file: the passphrase has fewer than {LEAST_PASSPHRASE} characters", code=2)
    if loaded.state_dir.resolve() in file.resolve().parents:
        fail(f"{file} is in the state directory, and would be lost with it: write it elsewhere", code=2)
    account = owner_account(loaded)
    progress = ProgressLine()
    give_way()
    try:
        text = path.read_bytes() if path is not None else None
        with writing_whole(file) as out, acting_as(account):  # the file is whose who runs this
            url = secret(loaded.store.url) if loaded.store.url else None
            order = making.BackupOrder(
                *(url, loaded.state_dir, text, passphrase, with_query_log), signing_key=loaded.audit.signing_key
            )
            manifest = asyncio.run(making.make_backup(order, out, progress.tell))
        octets = file.stat().st_size
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror or error}")
    except MoatdnsError as error:
        fail(str(error))
    finally:
        progress.end()
    is_encrypted = passphrase is not None
    if as_json:
        print_json({"file": str(file), "octets": octets, "encrypted": is_encrypted, **_told(manifest)})
        return
    print_line(f"{file}: {_size(octets)}, {'encrypted' if is_encrypted else 'not encrypted'}; {_sentence(manifest)}")
    for note in manifest.notes:
        print_line(f"note: {note}")
    if not is_encrypted:
        print_line("note: it holds the audit trail's key and other secrets: keep it from others, or encrypt it")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup that 'moatdns backup' wrote.")],
    passphrase_file: PassphraseOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Set aside what is there; nothing is deleted.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the file, and tell what it holds.")] = False,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Only print the config file that the backup holds.")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="The lost server's log: what was lost, whom to erase again."),
    ] = None,
    head_files: HeadOption = None,
    key: HeadKeyOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a backup the state of this node, while no server runs. Tokens and exemptions are then suspended."""
    passphrase = _passphrase(passphrase_file)
    try:
        with file.open("rb") as opened:
            source = BackupSource(opened, passphrase)
            if show_config:
                _show_config(source)
            elif check:
                manifest = source.check()
                _print(as_json, _told(manifest), f"{file}: whole; {_sentence(manifest)}")
            else:
                kept = _KeptHeads(log_file, tuple(head_files or ()), key)
                _restore(source, config, kept, replace=replace, as_json=as_json)
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror or error}")
    except MoatdnsError as error:
        fail(str(error))


@dataclass(frozen=True, slots=True)
class _KeptHeads:
    """Places where heads of the lost trail were kept, and the public key of the signed ones."""

    log_file: Path | None
    files: tuple[Path, ...]
    key: str | None

    def read(self, config: Config) -> tuple[Head, ...]:
        """All of them, as whoever runs this. Raises MoatdnsError; ends with status 1 where one is not genuine."""
        heads = signed_heads(config, self.files, self.key)
        if self.log_file is not None:
            heads += [Head(*pair) for pair in noted_heads(Path(os.devnull), self.log_file)]  # of the log alone
        return tuple(heads)

    def erasures(self) -> list[ErasureNote] | None:
        """Erasures that the log tells of; None where there is no log. Raises OSError."""
        if self.log_file is None:
            return None
        with self.log_file.open(encoding="utf-8", errors="replace") as lines:
            return told_in(lines)


def _restore(source: BackupSource, config: str | None, kept: _KeptHeads, *, replace: bool, as_json: bool) -> None:
    _, loaded = load(config)
    heads, erasures = kept.read(loaded), kept.erasures()
    _become_owner(loaded)
    progress = ProgressLine()
    try:
        with held_state(loaded.state_dir):
            order = restoring.RestoreOrder(
                url=secret(loaded.store.url) if loaded.store.url else None,
                state_dir=loaded.state_dir,
                replace=replace,
                actor=ACTOR,
                by=who_runs_this(),
                heads=heads,
                retention_days=loaded.kept.query_log_days,
                catalogue=load_catalogue(),
                erasures=erasures,
            )
            done = asyncio.run(restoring.restore(source, order, progress.tell))
    finally:
        progress.end()
    if as_json:
        lost = [list(pair) for pair in done.lost]
        plain = {**asdict(done), "manifest": _told(done.manifest), "lost": lost, "state_dir": str(loaded.state_dir)}
        print_json(plain)
        return
    for line in _lines_of(done, loaded):
        print_line(line)


def _lines_of(done: restoring.RestoreDone, loaded: Config) -> list[str]:
    counts = done.counts
    lines = [f"restored into {loaded.state_dir} and {done.place}: {_sentence(done.manifest)}"]
    if done.aside:
        lines.append(f"the old state is now {loaded.state_dir / done.aside}")
    if done.aside_schema:
        lines.append(f"the old tables are now in the schema {done.aside_schema}")
    last = max((row for row, _ in done.lost), default=0)
    if last:
        lost = last - done.manifest.audit_row
        lines.append(f"lost: at least {max(lost, 1)} audit rows, up to row {last}; row {done.row} of the trail says so")
    else:
        lines.append(f"row {done.row} of the audit trail tells of the restore; of no lost row is anything known here")
    if done.trouble:
        lines.append(f"the audit trail was not whole when it was saved: {done.trouble}")
    if done.old_days:
        lines.append(f"{done.old_days} days of the query log are older than retention.query_log_days, and stay away")
    lines.append(
        f"suspended until you confirm or revoke them: {counts.tokens} tokens, {counts.exemptions} exemptions; ended: "
        f"{counts.ended_pauses} pauses, {counts.ended_requests} requests, {counts.ended_leases} leases"
    )
    if loaded.audit.signing_key is None and not key_file(None, loaded.state_dir).exists():
        lines.append("signing.key, which signs evidence, is in no backup: put yours back first, or another one is made")
    if done.erased.clients:
        lines.append(f"erased again from the query log: {done.erased.queries} queries of {done.erased.clients} clients")
    if done.erased.people:
        lines.append(f"erased again from leases, exemptions, statistics and audit texts: {done.erased.people} people")
    if not done.erased.is_known:
        lines.append(
            "who was erased since the backup is not known here: name the lost server's log (--log), or erase them again"
        )
    lines += [
        f"{'closed' if one.closed else 'open'} until you confirm it: {one.object} {'; '.join(one.opens)}"
        for one in done.policy[:_MOST_NAMED]
    ]
    if len(done.policy) > _MOST_NAMED:
        lines.append(f"and {len(done.policy) - _MOST_NAMED} more: see 'moatdns store confirm-restored'")
    if counts.dropped_messages:
        lines.append(
            f"{counts.dropped_messages} messages to webhooks and by mail, which waited at the backup, are dropped"
        )
    return [*lines, "next: 'moatdns token create --role admin --name NAME', then 'moatdns store confirm-restored'"]


def _become_owner(config: Config) -> None:
    """As root, with no way back: the user whose state directory it is, or is to be. It is made where there is none."""
    account = owner_account(config)
    if account is None and os.geteuid() == 0 and config.user is not None:
        account = Account.named(config.user)
    prepare(config.state_dir, account)
    if account is not None:
        account.take_over()


def _show_config(source: BackupSource) -> None:
    for name, part in source.parts(source.check()):
        if name == making.CONFIG:
            print_lines(part.read(16 << 20).decode("utf-8", "replace"))
            return
    fail("the backup holds no config file: its server ran with the built-in defaults")


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            line = file.readline(_MOST_PASSPHRASE + 1).rstrip(b"\r\n")
    except OSError as error:
        fail(f"--passphrase-file: {path}: {error.strerror}", code=2)
    if not line or len(line) > _MOST_PASSPHRASE:
        fail(f"--passphrase-file: {path}: its first line is empty or too long", code=2)
    return line


def _sentence(manifest: BackupManifest) -> str:
    rows = manifest.rows
    rules = f"{rows.get('lists', 0)} lists with {rows.get('rules', 0)} own rules, {rows.get('groups', 0)} groups"
    log = "with" if manifest.query_log else "without"
    return (
        f"store {manifest.store_id} of {manifest.host} ({manifest.engine}) as of {manifest.at}, by moatdns "
        f"{manifest.moatdns}: policy revision {manifest.policy_revision}, {rules}, {manifest.audit_row} audit rows, "
        f"{log} query log"
    )


def _told(manifest: BackupManifest) -> dict[str, object]:
    plain = asdict(manifest)
    return {**plain, "parts": len(manifest.parts), "notes": list(manifest.notes)}


def _print(as_json: bool, plain: dict[str, object], line: str) -> None:
    if as_json:
        print_json(plain)
    else:
        print_line(line)


def _size(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MiB" if octets >= 1 << 20 else f"{-(-octets // 1024)} KiB"
