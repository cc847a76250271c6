"""Record of the last start, for the next one: the plan of a config file that has not changed since.

A config with a million rules takes many seconds to read and check. Its compiled policy is on disk, so a start with the
very same file needs none of that. The record holds the plan and the digest of all that it was made from: the file, the
variables that it names, the catalogue, the system's nameservers, hosts files (`local_files`). Where it does not match,
the config is read as ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from blocklists.data_files import catalogue_fingerprint
from moatdns import cookie_secret
from moatdns.plan import NodePlan
from moatdns.supervisor.state_dir import is_roots_alone
from resolver import __version__
from resolver.config.file_policy import has_contents
from resolver.config.system_servers import RESOLV_CONF
from resolver.system.placing import READY
from resolver.system.state_files import read_own, write_whole
from resolver.system.typed_json import read_as, write_json

_RECORD = "boot.json"
_VARIABLE = re.compile(rb"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_STATE_DIR = re.compile(rb"^state_dir:[ \t]*[\"']?([^\"'#\n$]+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_DEFAULT_STATE_DIR = "state"


def digest_of(path: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """Digest of a config file: where it is, what is in it, and the variables that it names. None: unreadable."""
    try:
        return _digest(path, path.read_bytes(), environ)
    except OSError:
        return None


def _digest(path: Path, content: bytes, environ: Mapping[str, str]) -> str:
    names = sorted({match.decode() for match in _VARIABLE.findall(content)})
    about: list[object] = [
        __version__,
        catalogue_fingerprint(),
        str(path.absolute()),
        [[name, environ.get(name)] for name in names],
    ]
    with contextlib.suppress(OSError):  # `system` upstreams come from there
        about.append(RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    about.append(sorted(os.sched_getaffinity(0)))  # and `auto` workers from here
    return hashlib.sha256(json.dumps(about).encode() + b"\0" + content).hexdigest()


def recall(path: Path, environ: Mapping[str, str] = os.environ) -> NodePlan | None:
    """The plan of the last run, if it was made from just this file."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = path.read_bytes()
        # Where to look is a guess; whether what is found there belongs to this file, the digest says.
        guess = _STATE_DIR.search(content)
        state_dir = path.parent.absolute() / (guess[1].decode() if guess else _DEFAULT_STATE_DIR)
        if os.geteuid() == 0 and not is_roots_alone(state_dir):
            return None  # while root, nothing is believed that somebody else could have written
        if (state_dir / READY).exists():
            return None  # a restore is to be finished first, and brings other files
        record = json.loads(read_own(state_dir / _RECORD))
        if record["digest"] == _digest(path, content, environ):
            plan = read_as(NodePlan, record["plan"])
            is_whole = has_contents(plan.ground.state_dir, plan.policy) and _has_secret(plan) and _has_files(plan)
            # Records of before lack privacy settings; and those that are held back may be agreed to by now.
            return plan if is_whole and plan.privacy and not plan.held else None
    return None


def _has_secret(plan: NodePlan) -> bool:
    """Whether a cookie secret that was configured is still where it was."""
    made = str(plan.ground.state_dir / cookie_secret.MADE)
    return plan.cookie_secret in ("", made) or Path(plan.cookie_secret).is_file()


def _has_files(plan: NodePlan) -> bool:
    """Whether the hosts files that its local names came from are what they were. Raises OSError."""
    return all(hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest for path, digest in plan.files.items())


def forget(state_dir: Path) -> None:
    """Have the next start read its config."""
    (state_dir / _RECORD).unlink(missing_ok=True)


def remember(plan: NodePlan, digest: str) -> None:
    """Note the plan for the next start. That it cannot be written costs that start some time, and nothing else."""
    content = write_json({"digest": digest, "plan": replace(plan, news="")})
    with contextlib.suppress(OSError):
        write_whole(plan.ground.state_dir / _RECORD, content)  # ours alone: a URL may hold a password
