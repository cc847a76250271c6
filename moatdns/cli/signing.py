"""The node's signing key, for commands that print or use it."""

from __future__ import annotations

from admin_api.audit.signing_key import is_key_known
from admin_api.signed.keys import key_file, load_key
from admin_api.store.store import Store
from blocklists.feed.minisign import SecretKey
from moatdns.cli.common import fail
from moatdns.cli.store import with_store
from resolver.config.schema import Config
from resolver.errors import MoatdnsError


def signing_key(config: Config) -> SecretKey:
    """The key; our own is made where there never was one. Ends with status 1 where it cannot be read, or was lost.

    The caller works as the owner of the state directory.
    """
    configured, makes = config.audit.signing_key, False
    if configured is None and not key_file(None, config.state_dir).exists():

        async def is_known(store: Store) -> bool:
            async with store.read() as connection:
                return await is_key_known(connection)

        makes = not with_store(config, is_known)
    try:
        return load_key(configured, config.state_dir, makes=makes)
    except MoatdnsError as error:
        fail(str(error))
