"""Names that are answered here, whatever policy and upstreams: elsewhere they mean nothing, or the wrong thing.

Loopback and private reverse zones (RFC 6303, 6761, 7793), ``localhost``, ``invalid`` and ``test`` (RFC 6761),
``onion`` (RFC 7686), ``home.arpa`` (RFC 8375) and ``resolver.arpa`` (RFC 9462).
Before them come the names that the admin gives (`resolver.wire.local_data`), some of which are in such zones.
A zone of ``upstream.zones`` takes its names back, all but those that say where this server's DoT and DoH are
(DDR, RFC 9462): ``_dns.resolver.arpa``, and ``_dns.NAME`` for the server's own name. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from resolver.config.settings import EncryptedSettings, WorkerSettings
from resolver.wire.codes import POINTER, TYPE_AND_CLASS, Flag, Rcode, Type, has_data_above
from resolver.wire.designation import Designation, designation
from resolver.wire.local_data import LocalData
from resolver.wire.local_records import NO_LOCAL_NAMES, LocalRecord, PolicyLocalNames
from resolver.wire.message import address_record, name_record, soa_record
from resolver.wire.names import ancestors_of, key_of, parent_of, parse_name, to_text, wire_of_key
from resolver.wire.question import Question
from resolver.wire.response import compose

TTL_SECONDS = 3600
_DESIGNATION_TTL_SECONDS = 300  # a client that comes by DoT asks again so soon after DoT is gone
_POINTER_OCTETS = 2


@dataclass(frozen=True, slots=True)
class LocalZone:
    """A zone that is answered here. `because` names the RFC."""

    key: bytes
    because: str

    @property
    def name(self) -> str:
        """The zone's name."""
        return to_text(wire_of_key(self.key))


class LocalNames:
    """The zones answered here, less those that the admin sends elsewhere, and the names that he gives."""

    def __init__(
        self,
        forwarded: Iterable[bytes] = (),
        encrypted: EncryptedSettings | None = None,
        local: Sequence[LocalRecord] = (),
        local_ttl_seconds: int = 300,
    ) -> None:
        """`forwarded` are keys of zones with upstreams of their own; `encrypted` says what DDR tells clients.

        `local` are the admin's own names in the config; with those of the policy they are `given`: None where there
        are none at all.
        """
        self._forwarded = frozenset(forwarded)
        self._zones = {zone.key: zone for zone in _zones()}
        self._first_labels = frozenset(key[: 1 + key[0]] for key in self._zones)
        self._soa = soa_record(TTL_SECONDS)[_POINTER_OCTETS:]
        self._data = _data()
        self._designated: dict[bytes, Designation] = {}
        self._own = self._designate(encrypted or EncryptedSettings())
        self.of_config = tuple(local)
        self._ttl_seconds = local_ttl_seconds
        self._kept = () if self._own is None else (self._own.key,)
        self._prepared = NO_LOCAL_NAMES.digest, self._data_of(self.of_config)
        self.given = self._prepared[1]

    def _data_of(self, records: tuple[LocalRecord, ...]) -> LocalData | None:
        return LocalData(records, self._ttl_seconds, self._kept) if records else None

    def prepared(self, policy: PolicyLocalNames) -> LocalData | None:
        """All names that are given under a policy: the config's, and the policy's where the config has no such name.

        Those of the last policy are kept. Many take a while: may be called in a thread, before `use` is.
        """
        digest, data = self._prepared
        if digest != policy.digest:
            named = {record.name for record in self.of_config}
            others = [record for record in policy.records if record.name not in named]
            data = self._data_of((*self.of_config, *others))
            self._prepared = policy.digest, data
        return data

    def use(self, policy: PolicyLocalNames) -> LocalData | None:
        """Answer by the names of a policy, too, from now on; gives all that are given."""
        self.given = self.prepared(policy)
        return self.given

    def _designate(self, encrypted: EncryptedSettings) -> LocalZone | None:
        """Have DDR answered; gives the server's own name there, None where there is nothing to tell."""
        if encrypted.server_name is None:
            return None
        found = designation(
            encrypted.server_name,
            dot_ports=encrypted.dot_ports,
            doh_ports=encrypted.doh_ports,
            addresses=encrypted.addresses,
            ttl_seconds=_DESIGNATION_TTL_SECONDS,
        )
        if found is None:
            return None
        own = LocalZone(_key(f"_dns.{encrypted.server_name}"), "RFC 9462")
        self._designated = {_DNS_RESOLVER_ARPA: found, own.key: found}
        return own

    def has(self, key: bytes) -> bool:
        """Whether a name may be answered here; False for nearly all names."""
        if self._own is not None or not key:
            return True
        return key[: 1 + key[0]] in self._first_labels

    def zone_of(self, key: bytes, qtype: int = Type.A) -> LocalZone | None:
        """The local zone that a name's records of a type are in, None for all others.

        DS records of the zone itself are in the public zone above it, which proves that nobody signs this one: so a
        client that validates takes our unsigned answers (RFC 6303 section 7, RFC 8375 section 4).
        """
        if has_data_above(qtype):
            key = parent_of(key)
        if self._own is not None and key == self._own.key:
            return self._own
        if not key or key[: 1 + key[0]] not in self._first_labels:
            return None
        if key.startswith(_RESOLVER_ARPA):  # never forwarded, even where all of arpa is (RFC 9462 section 4)
            return self._zones[_RESOLVER_ARPA]
        found = None
        for ancestor in ancestors_of(key):
            if ancestor in self._forwarded:
                return None
            found = self._zones.get(ancestor, found)
        return found

    def answer(self, question: Question) -> bytes | None:
        """The response to a name that is answered here, else None. It is authoritative (RFC 6303 section 3)."""
        zone = self.zone_of(question.key, question.qtype)
        if zone is None:
            return None
        designated = self._designated.get(question.key)
        if designated is not None and question.qtype == Type.SVCB:
            return designated.answer(question)
        owner = _LOCALHOST if question.key.startswith(_LOCALHOST) else question.key
        data = self._data.get(owner)
        record = data.get(question.qtype) if data is not None else None
        if record is not None:
            return compose(question, Rcode.NOERROR, record, answers=1, flags=Flag.AA)
        zone_octets = len(zone.key) + 1  # as a wire name: the key's octets and the root
        apex = question.end - TYPE_AND_CLASS - zone_octets
        soa = (POINTER << 8 | apex).to_bytes(_POINTER_OCTETS, "big") + self._soa
        if question.key == zone.key and question.qtype == Type.SOA:
            return compose(question, Rcode.NOERROR, soa, answers=1, flags=Flag.AA)
        exists = (
            data is not None
            or question.key == zone.key
            or any(name.startswith(owner) for name in self._data)
            # What is above a zone of others exists, too: its absence would hide that zone (RFC 8020 section 2).
            or any(name.startswith(question.key) for name in self._forwarded)
            or (self.given is not None and self.given.has_below(question.key))
        )
        return compose(question, Rcode.NOERROR if exists else Rcode.NXDOMAIN, soa, authorities=1, flags=Flag.AA)


def _key(name: str) -> bytes:
    return key_of(parse_name(name))


_LOCALHOST = _key("localhost")
_RESOLVER_ARPA = _key("resolver.arpa")
_DNS_RESOLVER_ARPA = _key("_dns.resolver.arpa")


def local_names_of(settings: WorkerSettings) -> LocalNames:
    """The names that a worker with these settings answers by itself."""
    forwarded = (key_of(parse_name(zone.name)) for zone in settings.zones)
    return LocalNames(forwarded, settings.encrypted, settings.local, settings.local_ttl_seconds)


def _zones() -> Iterator[LocalZone]:
    for name in ("localhost", "invalid", "test"):
        yield LocalZone(_key(name), "RFC 6761")
    yield LocalZone(_key("onion"), "RFC 7686")
    yield LocalZone(_key("home.arpa"), "RFC 8375")
    yield LocalZone(_key("resolver.arpa"), "RFC 9462")
    for octets in _IPV4:
        yield LocalZone(_key(f"{octets}.in-addr.arpa"), "RFC 6303")
    for second in range(64, 128):
        yield LocalZone(_key(f"{second}.100.in-addr.arpa"), "RFC 7793")
    for nibbles in _IPV6:
        yield LocalZone(_key(f"{nibbles}.ip6.arpa"), "RFC 6303")


_IPV4 = (
    "0",
    "10",
    "127",
    "254.169",
    *(f"{second}.172" for second in range(16, 32)),
    "168.192",
    "2.0.192",
    "100.51.198",
    "113.0.203",
    "255.255.255.255",
)
_ZEROS = ".".join("0" * 31)
_IPV6 = (f"0.{_ZEROS}", f"1.{_ZEROS}", "d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2")


def _data() -> dict[bytes, dict[int, bytes]]:
    """The data of these zones: owner → qtype → answer section. Without types, the name exists and no more."""
    to_localhost = {int(Type.PTR): name_record(Type.PTR, "localhost", TTL_SECONDS)}
    return {
        _LOCALHOST: {
            int(Type.A): address_record("127.0.0.1", TTL_SECONDS),
            int(Type.AAAA): address_record("::1", TTL_SECONDS),
        },
        _key("1.0.0.127.in-addr.arpa"): to_localhost,
        _key(f"1.{_ZEROS}.ip6.arpa"): to_localhost,
        # Designated resolvers: ours or none; no other's may lead clients away (RFC 9462 sections 4 and 6.4).
        _DNS_RESOLVER_ARPA: {},
    }
