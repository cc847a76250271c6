"""Models of evidence: the signed file of a period. Its lines are those of admin_api.evidence.lines."""

from __future__ import annotations

from pydantic import Field

from admin_api.api.models.common import Told, Window
from admin_api.evidence.lines import EvidenceContent


class EvidenceQuery(Window):
    """A period, and one group or all."""

    group: str | None = Field(None, min_length=1, max_length=63, description="Default: every group.")


class FileSignature(Told):
    """The signature of a signed file: Ed25519 over its format and the SHA-256 digests of all parts and lines."""

    algorithm: str
    key: str = Field(description="The public key, as minisign writes one.")
    fingerprint: str = Field(description="SHA-256 of the public key's octets.")
    digests: dict[str, str | list[str]] = Field(description="By part of `content`; of a list, one a line.")
    value: str = Field(description="Base64.")


class SignedEvidence(Told):
    """Evidence for a period, signed: `moatdns report verify` checks it with the public key alone."""

    format: str
    content: EvidenceContent
    signature: FileSignature
