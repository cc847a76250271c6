"""moatdns, a DNS resolver that enforces a company's AI-access policy: the data plane and what it stands on."""

__version__ = "0.1.0"
