"""The bundled catalogue."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.editing.refusals import BadRequest
from admin_api.policy_file.growth import NEWS
from admin_api.store import documents
from admin_api.store.policy import read_file_policy
from admin_api.subscriptions.feed.keeper import FeedKeeper
from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_fingerprint
from blocklists.loading import load_catalogue
from blocklists.versions import difference


async def show(call: Call) -> ApiReply:
    """GET /catalogue."""
    catalogue = call.context.catalogue
    domains: defaultdict[str, list[models.CatalogueDomainItem]] = defaultdict(list)
    for is_fed, part in ((False, catalogue.domains), (True, catalogue.fed)):
        for domain in part:
            written = {"rule": domain.rule.text, "seen": domain.seen.isoformat(), "fed": is_fed}
            domains[domain.service].append(as_model(models.CatalogueDomainItem, domain, **written))
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
        news = await documents.get(connection, NEWS)
    return ApiReply(
        models.CatalogueReply(
            fingerprint=catalogue.fingerprint,
            version=call.context.feed.bundled_version,
            waiting=await asyncio.to_thread(_waiting, call.context.feed.base.catalogue),
            feed=_feed(call.context.feed, catalogue),
            news=None if news is None else _told(news),
            own_vendors=list(of_file.get("own_vendors", ())),
            vendors=vendors,
        )
    )


async def refresh(call: Call) -> ApiReply:
    """POST /catalogue:refresh."""
    feed = call.context.feed
    feed.look_now()
    told = _feed(feed, call.context.catalogue)
    if told is None:
        raise BadRequest(409, "there is no feed: set policy.catalogue.feed in the config")
    return ApiReply(told, 202)


def _feed(feed: FeedKeeper, catalogue: Catalogue) -> models.CatalogueFeed | None:
    settings, version, held, record = feed.settings, feed.version, feed.held, feed.record
    if settings is None:
        return None
    in_force = waiting = None
    if version is not None:
        in_force = models.FedVersion(
            series=version.series, version=version.number, expires_at=version.expires, rules=len(catalogue.fed)
        )
    if held is not None:
        waiting = as_model(
            models.FedWaiting,
            held,
            expires_at=_moment(held.expires),
            rules=None,
            added=list(held.added),
            removed=list(held.removed),
        )
    return models.CatalogueFeed(
        source=settings.source,
        mode="review" if settings.is_reviewed else "auto",
        keys=list(settings.keys),
        in_force=in_force,
        waiting=waiting,
        last_success_at=_moment(record.success_at),
        last_attempt_at=_moment(record.attempt_at),
        next_at=_moment(feed.next_at or None),
        last_error=record.error or None,
        troubles=feed.troubles,
    )


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at is not None else None


def _told(news: Mapping[str, Any]) -> models.CatalogueNews:
    services = [models.ServiceQueries(service=service, queries=queries) for service, queries in news["services"]]
    return models.CatalogueNews(**{**news, "services": services})


def _waiting(catalogue: Catalogue) -> models.CatalogueDifference | None:
    bundled = catalogue_fingerprint()
    return None if catalogue.fingerprint == bundled else _news(catalogue, bundled)


@lru_cache(maxsize=1)
def _news(catalogue: Catalogue, bundled: str) -> models.CatalogueDifference:
    """Changes that the bundled catalogue of that fingerprint would bring; kept, since reading one takes a second."""
    found = difference(catalogue, load_catalogue())
    return models.CatalogueDifference(added=list(found.added), removed=list(found.removed), moved=list(found.moved))
