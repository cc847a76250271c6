"""Web pages: why somebody looks at persons."""
