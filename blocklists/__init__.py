"""Lists of names: the bundled catalogue of AI services, its data and its loader."""
