"""The same questions asked of moatdns and of unbound, over the same zones: `prove.same.run` is the run."""
