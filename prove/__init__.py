"""Load and fault runs: what moatdns promises, measured on this machine. Not shipped; see `prove.__main__`."""
