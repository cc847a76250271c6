"""moatdns beside the C servers on one machine, in one run: CPU a query. Not shipped; see `bench.compare`."""
