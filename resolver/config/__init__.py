"""The configuration: `schema` (models, defaults, units), `load` (YAML with places), `settings` (data for workers).

Importing this package imports none of them: a worker takes `settings` only and stays free of pydantic and YAML.
"""
