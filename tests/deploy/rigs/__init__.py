"""Networks of their own in which real servers call the hooks; run through tests.support.lease_hooks.in_namespace."""
