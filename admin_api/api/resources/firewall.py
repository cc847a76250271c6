"""Rules for firewalls that leave this resolver as the only one, filled in by the config."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.plain_text import plain_text
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.firewall.closing import closing_of
from admin_api.firewall.formats import FORMATS
from blocklists.own_networks import own_networks
from resolver.errors import RuleError


async def rules(call: Call) -> ApiReply:
    """GET /firewall/{format}."""
    query: models.FirewallQuery = call.query
    form = FORMATS.get(call.path["format"])
    if form is None:
        raise BadRequest(404, f"there is no such format: use one of {', '.join(FORMATS)}")
    known, serves = own_networks(), call.context.serves
    try:
        closing = closing_of(
            serves.hosts,
            serves.clients,
            resolvers=query.resolver,
            clients=query.clients,
            public=[*(one.network for one in known.resolvers if query.public_resolvers), *query.doh],
            closed=[network for vendor in query.vendor for network in known.of_vendor(vendor)],
        )
    except RuleError as error:
        raise Invalid([("", str(error))]) from None
    return plain_text(form.text(closing))
