"""Web pages: the policy: its revisions, and the policy as a file."""
