"""Log sinks: the query log and the audit trail, sent on as they grow to where a security team collects logs."""
