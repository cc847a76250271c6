"""Reasons why nobody is signed in."""

from __future__ import annotations

from resolver.errors import MoatdnsError


class SignInRefused(MoatdnsError):
    """A provider or a browser sent another thing than was asked for, or proves nobody; fit to show."""


class ProviderAway(MoatdnsError):
    """The provider cannot be reached, or does not answer as one; fit to show."""
