"""``make screenshots``: every page in a real browser, light, dark and on a phone, as pictures to be looked at.

Exit codes: 0 all were taken, and the browser had nothing to complain of; 1 otherwise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.conftest import OFFICE, WORLD
from tests.support.browser import DESK, PHONE, Person, chromium
from tests.support.moatdns import Moatdns
from tests.support.tour import pages_of, something_to_see
from tests.support.unbound import Unbound

LOOKS: dict[str, tuple[str, dict[str, int]]] = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
}


def main(folder: Path) -> int:
    """Take them all; the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**OFFICE, "query_log": {"what": "all"}}
    complaints = []
    with (
        tempfile.TemporaryDirectory(prefix="moatdns-screenshots-") as place,
        Unbound(Path(place) / "u", WORLD) as world,
    ):
        config["upstream"] = {"servers": [world.server]}
        with Moatdns(Path(place) / "moatdns", config, with_api=True) as server, chromium() as browser:
            something_to_see(server)
            for look, (theme, size) in LOOKS.items():
                person = Person(browser, server, theme=theme, size=size)
                page = person.go("/login")
                page.screenshot(path=folder / f"login-{look}.png", full_page=True)
                person.log_in()
                for name, address in pages_of(server).items():
                    person.go(address).wait_for_load_state("networkidle")
                    page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                    if (wider := person.overflow()) > 0:
                        complaints.append(f"{name}, {look}: {wider} pixels too wide")
                complaints += [f"{look}: {complaint}" for complaint in person.complaints]
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    sys.stdout.write(f"{folder}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("give one folder")
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) == 2 else "screenshots")))
