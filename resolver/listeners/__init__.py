"""Sockets to the pipeline and back: `sockets` opens them (in the supervisor), `udp` and `stream` serve them."""
