"""``python -m moatdns``: the command line."""

from moatdns.cli.main import main

main()
