"""The one error of the comparison: it cannot be made, or its numbers would mean nothing."""


class BenchError(Exception):
    """A program is missing, a server does not start, answers wrongly, or ended while it was measured."""
