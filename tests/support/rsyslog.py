"""A real rsyslogd on loopback, over TLS, with a config of its own. What it takes is in a file, a message a line."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.encrypted import Certificates
from tests.support.programs import ended, program, wait_until

# docs/log-sinks.md shows the same for an administrator.
_CONFIG = """\
global(
  workDirectory="{folder}"
  maxMessageSize="64k"
  defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{certificates.authority}"
  defaultNetstreamDriverCertFile="{certificates.certificate}"
  defaultNetstreamDriverKeyFile="{certificates.private_key}"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="message" type="string"
  string="%syslogfacility-text%.%syslogseverity-text% %hostname% %programname% %msgid% %msg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="taken")
ruleset(name="taken") {{
  action(type="omfile" file="{taken}" template="message" asyncWriting="off")
}}
"""


class Rsyslog:
    """Where it listens, and what it has taken."""

    def __init__(self, folder: Path, port: int, certificates: Certificates) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.taken = folder / "taken"
        self._folder = folder
        self._config = folder / "rsyslog.conf"
        self._config.write_text(_CONFIG.format(folder=folder, port=port, taken=self.taken, certificates=certificates))

    def lines(self) -> list[str]:
        """The messages, each with its facility, severity, host, program and id before it."""
        return self.taken.read_text().splitlines() if self.taken.exists() else []

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it, and wait until it listens."""
        pid_file = self._folder / "pid"
        command = [program("rsyslogd"), "-n", "-f", str(self._config), "-i", str(pid_file)]
        with (
            (self._folder / "said").open("ab") as said,
            ended(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)) as process,
        ):
            wait_until(lambda: _listens(self.port) or process.poll() is not None, "rsyslogd listens")
            assert process.poll() is None, (self._folder / "said").read_text()
            yield process


def _listens(port: int) -> bool:
    """Whether somebody listens on a port of TCP over IPv4, without asking him."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()
