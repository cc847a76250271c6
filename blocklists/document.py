"""docs/catalogue.md, made from the catalogue: ``python -m blocklists.document > docs/catalogue.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from blocklists.catalogue import Catalogue, CatalogueEntry, Vendor
from blocklists.loading import load_catalogue
from blocklists.recall import recall

_INTRO: Final = """\
# The catalogue

Which domain names belong to which AI service. Generated from `blocklists/` by `python -m blocklists.document`; a test
compares the two. `GET /api/v1/catalogue` serves the same.

- `vendors` are all vendors below. `resellers` exist only to give access to vendors' models; `clouds` are the model
  services of clouds and data platforms, which a company's own systems may use. `ai` is vendors and resellers,
  `gateways` resellers and clouds, `bypass` the ways around the resolver.
- A group's `block` and `allow` may name a set, a kind of service (`kind:assistant`; each service below says its kind),
  a vendor (`openrouter`), or one service (`anthropic/claude-code`).
- `example.com` is the name and all names below, `=example.com` only the name; `*` stands for one or more characters of
  a label.
- The longest rule that covers a name determines its service. *Needed by*: services that do not work without
  it; allowing one of them allows this name too.
- *Shared* names are known and never blocked by default: innocent services use them.
- *Limits*: what DNS cannot separate, and side effects.

## New versions

The first start of a new version reports its changes: names, and services that came into a set or left it. Once the
new policy is in force, the log, the page Catalogue and `news` in `GET /api/v1/catalogue` tell how many logged queries
of the last seven days the new catalogue would have blocked, of how many clients, and by which services; under `review`,
how many the one that waits would have blocked. With `query_log.what: hits`, names that no rule matched are missing.

With `policy.catalogue: review` the old catalogue stays in force: `moatdns catalogue diff` (or `waiting` in
`GET /api/v1/catalogue`) shows the changes, `moatdns catalogue accept` and SIGHUP accept them. An old catalogue has the
old sets: its `ai` is without resellers.

## False positives

A wrongly blocked name is our error, whichever list it came from. So:

- Every entry from a list is reviewed, and names its source and the date when it was seen there.
- Names are matched by whole labels: `americanphilanthropic.com` is not below `anthropic.com`.
- Shared hosting (buckets, CDNs, front doors) is listed by the vendor's own host only, never by the
  suffix.
- Sign-in, payment, error reports, feature switches, package registries and users' own pages stay open.
  `blocklists/lint.py` refuses rules that cover them.
- Names with a doubtful owner are omitted, with a note at the end of the vendor's file.

You can allow a name at once, without waiting for a new version: a list with `allow`, named in the group's `block`.

At least 24,000 innocent names (`tests/innocents`: homepages of Debian's packages, hosters and their customers, vendors'
other products, look-alikes) are asked in a test; each that a rule covers has its reason there.

## From registers

`python -m blocklists.gather SOURCE…` reads registers of providers: a checkout of models.dev, Cline's list of providers,
catwalk's configurations, LiteLLM's JSON, a file of v2fly's `data/`, AdGuard's services, or a table with tabs. It leaves
out what is local, a template, shared or a cloud's, compares the rest with the catalogue, and writes what is new, moved
and gone to `review.yaml`, each with register, revision and date. Set `decision: accept` or `decline` there;
`python -m blocklists.gather --accept review.yaml` then edits the catalogue's files and remembers what was declined in
`blocklists/declined.tsv`, so that a second run says nothing. A name that stands only in lists made to filter needs
`confirmed:` with the place where its owner names it.

## Proposing a change

Edit the vendor's file under `blocklists/vendors/`, `resellers/`, `clouds/` or `bypass/`. An entry needs `rule`,
`service`, `surface` (api, web, auth, assets, telemetry, install or docs), `source` (where to verify it: preferably the
vendor's own network page) and `seen` (the day). Add `needed_by` if another service would break. Then
`make check` and `make test`.
"""

_KINDS: Final = (
    ("vendor", "Vendors"),
    ("reseller", "Resellers"),
    ("cloud", "Clouds"),
    ("bypass", "Ways around the resolver"),
)


def document(catalogue: Catalogue) -> str:
    """The whole page."""
    return "\n".join([_INTRO, *_counts(catalogue), *_completeness(catalogue), *_bodies(catalogue)]) + "\n"


def _counts(catalogue: Catalogue) -> Iterator[str]:
    yield "## In numbers"
    yield ""
    yield "| | files | services | rules in force | shared names |"
    yield "| --- | --- | --- | --- | --- |"
    for kind, title in _KINDS:
        ids = {vendor.id for vendor in catalogue.about.values() if vendor.kind == kind}
        services = sum(service.vendor in ids for service in catalogue.services.values())
        rules = sum(domain.vendor in ids for domain in catalogue.domains)
        shared = sum(name.vendor in ids for name in catalogue.shared)
        yield f"| {title} | {services if kind == 'bypass' else len(ids)} | {services} | {rules} | {shared} |"
    yield ""


def _completeness(catalogue: Catalogue) -> Iterator[str]:
    newest = max(domain.seen for domain in catalogue.domains)
    yield "## How complete"
    yield ""
    yield f"With rules up to {newest}, `ai`, `clouds` and `bypass` cover of each sample in `blocklists/samples/`:"
    yield ""
    yield "| sample | names of | date | names | covered |"
    yield "| --- | --- | --- | --- | --- |"
    for one in recall(catalogue):
        sample = one.sample
        yield f"| {sample.id} | {sample.told} | {sample.date} | {one.names} | {one.percent:.1f} % |"
    yield ""
    yield "The catalogue has since taken up names from these samples: expect less of any others."
    yield "`python -m blocklists.recall` names what is missing; `tests/unit/blocklists/test_recall.py` holds them."
    yield ""


def _bodies(catalogue: Catalogue) -> Iterator[str]:
    for kind, title in _KINDS:
        yield f"## {title}"
        yield ""
        for vendor in sorted(catalogue.about.values(), key=lambda vendor: vendor.name.lower()):
            if vendor.kind == kind:
                yield from _body(catalogue, vendor)


def _body(catalogue: Catalogue, vendor: Vendor) -> Iterator[str]:
    yield f"### {vendor.name} (`{vendor.id}`)"
    yield ""
    if vendor.serves_models_of:
        yield f"Serves models of {', '.join(vendor.serves_models_of)}."
        yield ""
    if vendor.closed:
        yield f"Closed on {vendor.closed}: nothing is blocked for it; a policy that names it stays good."
        yield ""
    for limit in vendor.limits:
        yield f"- Limit: {limit}."
    if vendor.limits:
        yield ""
    for service in catalogue.services.values():
        if service.vendor != vendor.id:
            continue
        kind = f" Kind: `{service.kind}`." if service.kind else ""
        yield f"**{service.name}** (`{service.id}`): {service.description}.{kind}"
        yield ""
        yield "| rule | surface | needed by | source | seen | note |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for domain in catalogue.domains:
            if domain.service == service.id:
                answered = f"answered {domain.response.upper()}" if domain.response else ""
                note = "; ".join(filter(None, (answered, domain.note)))
                yield _row(domain, f"`{domain.rule.text}`", ", ".join(domain.needed_by), note)
        for name in catalogue.shared:
            if name.service == service.id:
                yield _row(name, f"`{name.rule.text}` *shared*", "", name.reason)
        yield ""


def _row(entry: CatalogueEntry, rule: str, needed_by: str, note: str) -> str:
    cells = (rule, entry.surface, needed_by, entry.source, entry.seen, note)
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    return text if text.startswith("`") else text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(document(load_catalogue()))
