"""The process that `moatdns serve` is: starts, watches and replaces the others, and owns the listening sockets.

`policy` has configs read and policies compiled by a `compiler_process`, `boot` spares the next start, `crew` keeps a
`worker_process` in each slot, `supervisor` does the rest. It answers no query itself.
"""
