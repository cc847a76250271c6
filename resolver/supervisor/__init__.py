"""The process that `moatdns serve` is: starts, watches and replaces the others, and owns the listening sockets.

`policy` has configs read and policies compiled by a `compiler_process`, `boot` spares the next start, `worker_process`
is one worker, `supervisor` the rest.
It answers no query itself.
"""
