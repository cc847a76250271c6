"""The process that `moatdns serve` is: starts, watches and replaces the others, and owns the listening sockets.

`plan` says what follows from a config, `policy` has it compiled, `worker_process` is one worker, `supervisor` the rest.
It answers no query itself.
"""
