"""``python -m resolver.worker FD``: a worker, started by the supervisor."""

import sys

from resolver.worker.main import main

main(int(sys.argv[1]))
