"""Errors of backups.

BackupError
├── DamagedBackup    a file that is none, is cut off, or does not hold what its manifest says
├── WrongPassphrase  an encrypted file, and no passphrase or another
└── NotRestorable    a good backup that does not fit where it is to go; nothing was changed
"""

from __future__ import annotations

from resolver.errors import MoatdnsError


class BackupError(MoatdnsError):
    """A backup that cannot be made, read or restored."""


class DamagedBackup(BackupError):
    """A file that is no backup, is cut off, or does not hold what its manifest says."""


class WrongPassphrase(BackupError):
    """The file is encrypted, and there is no passphrase, or it is another."""


class NotRestorable(BackupError):
    """A good backup that does not fit where it is to go. Nothing was changed."""
