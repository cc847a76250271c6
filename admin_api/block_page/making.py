"""Puts the block page together from the parts of the control process that it needs."""

from __future__ import annotations

import functools

from admin_api.block_page.answering import BlockPageHandler
from admin_api.block_page.bounds import Bounds
from admin_api.block_page.findings import Findings
from admin_api.block_page.pages import BlockPages
from admin_api.block_page.requests import Requests
from admin_api.block_page.serving import BlockPageServer
from admin_api.block_page.visitors import Visitors
from admin_api.compiling.keeper import Keeper
from admin_api.editing.exemption_checks import Terms
from admin_api.store.access import StoreAccess
from admin_api.subjects.keeper import SubjectKeeper
from blocklists.feed.place import CurrentCatalogue
from blocklists.sources import known_references
from resolver.answering.client_networks import Networks
from resolver.answering.explaining import access_of
from resolver.config.references import KnownReferences
from resolver.config.settings import BlockPageSettings, WorkerSettings
from resolver.telemetry.log import Log


def make_block_page(
    settings: BlockPageSettings,
    worker_settings: WorkerSettings,
    terms: Terms,
    *,
    store_access: StoreAccess,
    policy: Keeper,
    subjects: SubjectKeeper,
    catalogue: CurrentCatalogue,
    log: Log,
) -> BlockPageServer:
    """The block page, not started yet."""
    access = access_of(worker_settings)
    visitors = Visitors(access.allowed, access.proxies)
    bounds = Bounds(settings, log, networks=Networks(worker_settings.networks))
    pages = BlockPages(settings.contact)
    findings = Findings(lambda: policy.snapshot, access, lambda: subjects.subjects, catalogue)
    requests = None
    if settings.request_form:
        known = functools.partial(_known, catalogue)
        requests = Requests(store_access, subjects, known, terms, settings, bounds, log)
    answering = BlockPageHandler(visitors, findings, requests, pages, bounds, settings.names)
    return BlockPageServer(answering, visitors, pages, bounds, settings, log)


def _known(catalogue: CurrentCatalogue) -> KnownReferences:
    return known_references(catalogue.catalogue)
