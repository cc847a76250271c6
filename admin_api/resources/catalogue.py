"""The bundled catalogue."""

from __future__ import annotations

import asyncio
from itertools import groupby

from admin_api import models
from admin_api.http.call import Call, Reply
from blocklists.catalogue import Catalogue, Service
from blocklists.loading import catalogue_fingerprint, load_catalogue
from blocklists.versions import difference


async def show(call: Call) -> Reply:
    """GET /catalogue."""
    catalogue = call.context.catalogue
    by_vendor = groupby(catalogue.services.values(), key=lambda service: service.vendor)
    vendors = [
        models.CatalogueVendor(
            vendor=vendor.id,
            name=vendor.name,
            kind=vendor.kind,
            serves_models_of=list(vendor.serves_models_of),
            limits=list(vendor.limits),
            services=[_service(catalogue, service) for service in services],
        )
        for vendor, services in ((catalogue.about[name], services) for name, services in by_vendor)
    ]
    return Reply(
        models.CatalogueReply(fingerprint=catalogue.fingerprint, waiting=await _waiting(catalogue), vendors=vendors)
    )


async def _waiting(catalogue: Catalogue) -> models.CatalogueDifference | None:
    if catalogue.fingerprint == catalogue_fingerprint():
        return None
    found = difference(catalogue, await asyncio.to_thread(load_catalogue))
    return models.CatalogueDifference(added=list(found.added), removed=list(found.removed))


def _service(catalogue: Catalogue, service: Service) -> models.CatalogueService:
    domains = [
        models.CatalogueDomainItem(
            rule=domain.rule.text,
            surface=domain.surface,
            needed_by=list(domain.needed_by),
            response=domain.response,
            source=domain.source,
            seen=domain.seen.isoformat(),
            note=domain.note,
        )
        for domain in catalogue.domains
        if domain.service == service.id
    ]
    shared = [
        models.CatalogueShared(
            rule=name.rule.text,
            surface=name.surface,
            reason=name.reason,
            source=name.source,
            seen=name.seen.isoformat(),
        )
        for name in catalogue.shared
        if name.service == service.id
    ]
    return models.CatalogueService(
        id=service.id, name=service.name, description=service.description, domains=domains, shared=shared
    )
