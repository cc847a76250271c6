"""Web pages: the state of this node."""
