"""The process that `moatdns serve` is: starts, watches and replaces the others, and owns the listening sockets.

`supervisor` starts and stops it all, `node` holds what runs, `reloading` changes it, `policy` has configs read and
policies compiled by a `compiler_process`, `boot` spares the next start, `crew` keeps a `worker_process` in each slot,
`control_keeper` the `control_process`, both as a `watched_process`. It answers no query itself.
"""
