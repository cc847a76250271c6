"""The bundled catalogue."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import lru_cache
from itertools import groupby

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.store.policy import read_file_policy
from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_fingerprint
from blocklists.loading import load_catalogue
from blocklists.versions import difference


async def show(call: Call) -> ApiReply:
    """GET /catalogue."""
    catalogue = call.context.catalogue
    domains: defaultdict[str, list[models.CatalogueDomainItem]] = defaultdict(list)
    for domain in catalogue.domains:
        seen = domain.seen.isoformat()
        domains[domain.service].append(as_model(models.CatalogueDomainItem, domain, rule=domain.rule.text, seen=seen))
    shared: defaultdict[str, list[models.CatalogueShared]] = defaultdict(list)
    for name in catalogue.shared:
        seen = name.seen.isoformat()
        shared[name.service].append(as_model(models.CatalogueShared, name, rule=name.rule.text, seen=seen))
    vendors = [
        as_model(
            models.CatalogueVendor,
            vendor,
            vendor=vendor.id,
            services=[
                as_model(
                    models.CatalogueService,
                    service,
                    domains=domains.get(service.id, []),
                    shared=shared.get(service.id, []),
                )
                for service in services
            ],
        )
        for vendor, services in (
            (catalogue.about[name], services)
            for name, services in groupby(catalogue.services.values(), key=lambda service: service.vendor)
        )
    ]
    async with call.context.store.read() as connection:
        of_file = await read_file_policy(connection)
    return ApiReply(
        models.CatalogueReply(
            fingerprint=catalogue.fingerprint,
            waiting=await asyncio.to_thread(_waiting, catalogue),
            own_vendors=list(of_file.get("own_vendors", ())),
            vendors=vendors,
        )
    )


def _waiting(catalogue: Catalogue) -> models.CatalogueDifference | None:
    bundled = catalogue_fingerprint()
    return None if catalogue.fingerprint == bundled else _news(catalogue, bundled)


@lru_cache(maxsize=1)
def _news(catalogue: Catalogue, bundled: str) -> models.CatalogueDifference:
    """Changes that the bundled catalogue of that fingerprint would bring; kept, since reading one takes a second."""
    found = difference(catalogue, load_catalogue())
    return models.CatalogueDifference(added=list(found.added), removed=list(found.removed))
