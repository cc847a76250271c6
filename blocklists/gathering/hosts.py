"""The host of an address in a register, or why no rule may follow from it."""

from __future__ import annotations

import enum
import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from blocklists.catalogue import Catalogue
from blocklists.gathering.registers import Told, ToldReach
from blocklists.lint import NEVER
from resolver.errors import RuleError
from resolver.policy.rule_syntax import RuleForm, RuleKind
from resolver.wire.names import parse_name, to_text, wire_of_key

_TEMPLATE = re.compile(r"[{}$<>%*]|\b(your|my)[-_](resource|account|project|company|instance|endpoint)", re.IGNORECASE)
_LOCAL_TOPS: Final = frozenset(
    ("localhost", "local", "internal", "lan", "home", "corp", "intranet", "test", "example", "invalid", "arpa", "onion")
)
_EXAMPLES: Final = ("example.com", "example.net", "example.org")
_LONGEST: Final = 2_000

CLOUDS: Final = frozenset(
    (
        *("amazonaws.com", "api.aws", "on.aws", "amazonaws.com.cn", "azure.com", "azure.us", "azure.cn", "windows.net"),
        *("microsoft.com", "googleapis.com", "google.com", "goog", "oraclecloud.com", "ibm.com", "appdomain.cloud"),
        *("aliyuncs.com", "aliyun.com", "alibabacloud.com", "volces.com", "volcengineapi.com", "bytepluses.com"),
        *("tencentcloudapi.com", "tencentcs.com", "myqcloud.com", "tencentyun.com", "baidubce.com", "bcebos.com"),
        *(
            "myhuaweicloud.com",
            "huaweicloud.com",
            "jdcloud-api.com",
            "ksyun.com",
            "digitalocean.com",
            "ondigitalocean.app",
        ),
        *("cloudflare.com", "databricks.com", "snowflakecomputing.com", "sap.com", "ondemand.com", "yandexcloud.net"),
        *("yandex.net", "scaleway.com", "ovh.net", "cloudferro.com", "vultr.com", "linode.com", "hetzner.cloud"),
    )
)
"""Registrable domains (and suffixes) of clouds: a rule there is a pattern that a person writes."""


class Why(enum.Enum):  # no text: a host is one
    """Why no rule follows from an address or a name."""

    TEMPLATE = "template"  # its host is filled in by who uses it
    LOCAL = "local"  # it is on the user's own machine or network, or an example
    NO_NAME = "no name"  # an IP address on the Internet, or nothing that could be asked for
    PATTERN = "pattern"  # an expression or a part of a name
    TRACKING = "tracking"  # of a service that measures or advertises
    SHARED = "shared"  # innocent services stand on it
    CLOUD = "cloud"  # a person writes a pattern for it under clouds/
    NO_HOST = "no host"  # the register tells a provider without an address


def host_of(told: Told) -> str | Why:
    """The host name of an address, lower-case, or why there is none."""
    text = told.text.strip()
    if told.reach is ToldReach.PATTERN:
        return Why.PATTERN
    if told.reach is ToldReach.TRACKING:
        return Why.TRACKING
    if len(text) > _LONGEST:
        return Why.NO_NAME
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname
    except ValueError:
        return Why.TEMPLATE if _TEMPLATE.search(text) else Why.NO_NAME
    if host is None or _TEMPLATE.search(text.partition("://")[2].partition("/")[0] or host):
        return Why.TEMPLATE if _TEMPLATE.search(text) else Why.NO_NAME
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return Why.NO_NAME if address.is_global else Why.LOCAL
    try:
        name = parse_name(host)
    except RuleError:
        return Why.NO_NAME
    plain = ".".join(_labels(name))
    if "." not in plain or plain.rpartition(".")[2] in _LOCAL_TOPS or _is_in(plain, _EXAMPLES):
        return Why.LOCAL
    return plain


class Commons:
    """Names that innocent services stand on, or that a cloud's customers do."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._suffixes = PublicSuffixList()
        self._public = PublicSuffixList(only_icann=True)
        self._never = frozenset(NEVER)
        self._firms = frozenset(self._public.privatesuffix(name) or name for name in NEVER)
        self._shared = {
            to_text(wire_of_key(name.rule.key)): name.rule.form
            for name in catalogue.shared
            if name.rule.kind is RuleKind.NAME
        }

    def why_not(self, host: str) -> Why | None:
        """Why a rule for a host that the catalogue does not cover would be wrong; None if it may be right."""
        if _is_in(host, CLOUDS):
            return Why.CLOUD
        registrable = self.registrable(host)
        if registrable is None or self._suffixes.privatesuffix(host) != registrable:
            return Why.SHARED  # it is a public suffix, or a customer's name at a hoster
        if host in self._never or registrable in self._firms:
            return Why.SHARED
        if any(
            host == name or (form is RuleForm.SUBTREE and _is_in(host, (name,))) for name, form in self._shared.items()
        ):
            return Why.SHARED
        return None

    def registrable(self, host: str) -> str | None:
        """The registrable domain of a host, whoever it is that gives names there."""
        found = self._public.privatesuffix(host)
        return str(found) if found else None


def _labels(wire: bytes) -> list[str]:
    return to_text(wire).split(".")


def _is_in(host: str, tops: frozenset[str] | tuple[str, ...]) -> bool:
    labels = host.split(".")
    return any(".".join(labels[at:]) in tops for at in range(len(labels)))
