"""Signs, in a process of its own: Ed25519's library takes ten megabytes, which the control process does without.

Run as ``python -m admin_api.signed.child FD``; asked to `SignDigest` (messages.py). No process that stays has the
secret key.
"""

from __future__ import annotations

from admin_api.child_process import do_for_parent
from admin_api.signed.files import signature_value
from admin_api.signed.keys import load_key
from admin_api.signed.messages import SIGN_CHANNEL, DigestSigned, SignDigest


def sign(order: SignDigest) -> DigestSigned:
    """Sign it. Raises MoatdnsError for a key that cannot be read or made."""
    key = load_key(order.configured, order.state_dir, makes=order.makes_key)
    return DigestSigned(signature_value(bytes.fromhex(order.digest), key), key.public.line)


if __name__ == "__main__":
    do_for_parent(SIGN_CHANNEL, (SignDigest,), sign)
