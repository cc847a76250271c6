"""The way back from the provider, as the pages and the issuer both go by it."""

from __future__ import annotations

from typing import Final

WAY_BACK: Final = "/login/oidc/back"
"""The path that the provider sends people back to, behind admin.url."""

FLOW_SECONDS: Final = 600
"""For which a browser may be at the provider."""
