"""The commands of `moatdns catalogue` for publishing one: keys, and building, signing and verifying its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

import blocklists
from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_version
from blocklists.feed.content import FedCatalogue, built
from blocklists.feed.judging import FeedRefused, authentic, check_expiry, is_superseded, merged
from blocklists.feed.kept import MOST_OCTETS, SIGNATURE
from blocklists.feed.minisign import PublicKey, SecretKey, Signature, SignatureError
from blocklists.loading import load_catalogue, parsed_folder
from moatdns.cli.common import ConfigOption, JsonOption, fail, seconds_of
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load
from resolver.errors import CatalogueError
from resolver.system.state_files import write_whole

_OTHERS = 0o077
_PUBLIC_MODE = 0o644

OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")]


def keygen(
    secret: Annotated[Path, typer.Option("--secret", metavar="FILE", help="For the secret key; mode 0600.")],
    public: Annotated[Path, typer.Option("--public", metavar="FILE", help="For the public key.")],
    as_json: JsonOption = False,
) -> None:
    """Make a pair of keys, as 'minisign -G -W' does: the secret one has no passphrase."""
    key = SecretKey.generate()
    for path, text, mode in ((secret, key.text, 0o600), (public, key.public.text, _PUBLIC_MODE)):
        try:
            write_whole(path, text.encode(), exclusive=True)
            path.chmod(mode)
        except FileExistsError:
            fail(f"{path}: is there already: a key is never overwritten")
        except OSError as error:
            fail(f"{path}: cannot be written: {error.strerror or error}")
    if as_json:
        print_json({"id": key.public.name, "key": key.public.line, "secret": str(secret), "public": str(public)})
    else:
        print_line(f"policy.catalogue.keys: [{key.public.line}]")


def build(
    out: OutOption,
    series: Annotated[str, typer.Option(help="A word of yours; 'moatdns' is the bundled catalogue's.")],
    version: Annotated[int, typer.Option(help="Its number within the series: higher than all before (2026112601).")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="vendors/NAME.yaml and so on; left out: the bundled one.")
    ] = None,
    expires: Annotated[str, typer.Option(help="Its time until a newer one has to be there.")] = "90d",
    as_json: JsonOption = False,
) -> None:
    """Build a catalogue's file from data files, to be signed. What a receiver would refuse is not built."""
    until = (datetime.now(UTC) + timedelta(seconds=seconds_of(expires, "--expires"))).replace(microsecond=0)
    base = load_catalogue()
    try:
        content = built(series, version, until, parsed_folder(folder or Path(blocklists.__file__).parent))
        whole = merged(base, FedCatalogue.parse(content))
        if len(content) > MOST_OCTETS:
            fail(f"it has {len(content)} octets; receivers take {MOST_OCTETS}")
        out.write_bytes(content)
    except (CatalogueError, FeedRefused) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}")
    facts = {"file": str(out), "series": series, "version": version, "expires": until.isoformat(), **_counts(whole)}
    if as_json:
        print_json(facts)
    else:
        print_line(
            f"{out}: version {version} of {series!r}, good until {until:%Y-%m-%d}; it adds {len(whole.fed)} rules to "
            "the bundled catalogue. Sign it (moatdns catalogue sign), and publish both files"
        )


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'catalogue build' wrote.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The secret key, without a passphrase.")],
    comment: Annotated[str, typer.Option(help="A line that is signed too, and shown by verify.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Sign a file: the signature is beside it, with .minisig behind its name."""
    try:
        if key.stat().st_mode & _OTHERS:
            fail(f"{key}: others may read it: make it your own ('chmod 600 {key}')")
        secret = SecretKey.parse(key.read_text(encoding="utf-8", errors="replace"))
        content = file.read_bytes()
        comment = comment or f"timestamp:{int(datetime.now(UTC).timestamp())}\tfile:{file.name}"
        signature = Signature.make(content, secret, comment)
        beside = file.with_name(file.name + SIGNATURE)
        beside.write_text(signature.text, encoding="utf-8")
    except SignatureError as error:
        fail(f"{key}: {error}")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror or error}")
    if as_json:
        print_json({"signature": str(beside), "key": secret.public.name, "trusted_comment": comment})
    else:
        print_line(f"{beside}: signed with the key {secret.public.name}")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A catalogue; its signature is beside it.")],
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="A public key, or its file; left out: policy.catalogue.keys."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a signed catalogue as a receiver does: signature, expiry, lint, innocents; exit 0 if it is good."""
    trusted = [_public(key) for key in keys or load(config)[1].policy.catalogue.keys]
    if not trusted:
        fail("there is no key to verify it by: give --key, or set policy.catalogue.keys", code=2)
    try:
        content = _read(file)
        beside = file.with_name(file.name + SIGNATURE)
        fed, key = authentic(content, _read(beside) if beside.exists() else None, trusted)
        check_expiry(fed.version, datetime.now(UTC))
        whole = merged(load_catalogue(), fed)
    except FeedRefused as error:
        if as_json:
            print_json({"good": False, "reason": error.reason, "why": str(error)})
            raise typer.Exit(1) from None
        fail(f"{file}: {error}")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror or error}")
    version = fed.version
    is_old = is_superseded(version, catalogue_version())
    if as_json:
        told = {"series": version.series, "version": version.number, "expires": version.expires.isoformat()}
        print_json({"good": True, "key": key.name, **told, "superseded": is_old, **_counts(whole)})
        return
    print_line(f"{file}: {version}, signed with the key {key.name}, good until {version.expires:%Y-%m-%d}")
    print_line(
        "the bundled catalogue is as new: it adds nothing here"
        if is_old
        else f"it adds {len(whole.fed)} rules to the bundled catalogue"
    )


def _counts(whole: Catalogue) -> dict[str, int]:
    return {"rules": len(whole.every_domain), "added": len(whole.fed)}


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MOST_OCTETS + 1)
    if len(content) > MOST_OCTETS:
        raise FeedRefused("huge", f"it has more than {MOST_OCTETS} octets")
    return content


def _public(key: str) -> PublicKey:
    """The key of a line of base64, or of a file that holds one."""
    try:
        return PublicKey.parse(key)
    except SignatureError as error:
        if not Path(key).exists():
            fail(f"--key: {error}", code=2)
    try:
        return PublicKey.parse(Path(key).read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"--key: {key}: {error.strerror or error}", code=2)
    except (SignatureError, ValueError) as error:
        fail(f"--key: {key}: {error}", code=2)
