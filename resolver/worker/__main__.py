"""``python -m resolver.worker CHANNEL PASSING``: the nursery, and the workers that are forked from it."""

import sys

from resolver.worker.main import main
from resolver.worker.nursery import forked_worker

control = forked_worker(int(sys.argv[1]), int(sys.argv[2]))
if control is not None:
    main(control)
