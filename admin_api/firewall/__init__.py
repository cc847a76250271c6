"""Firewalls: rules that leave this resolver as the only one, and the names and networks that the policy closes."""
