"""Pydantic models of what the API takes and sends, a module a resource; its OpenAPI description is made of them."""

# Imported for others, who write `models.GroupItem`; by module, as many names on a line as fit.
# ruff: noqa: F401, I001
# fmt: off
from admin_api.api.models.audit import AcknowledgeBody, Acknowledged, Audit, AuditExport, AuditItem, AuditPage, LostHead
from admin_api.api.models.catalogue import (
    CatalogueDifference, CatalogueDomainItem, CatalogueFeed, CatalogueNews, CatalogueReply, CatalogueService,
    CatalogueShared, CatalogueVendor, FedVersion, FedWaiting, ServiceQueries,
)
from admin_api.api.models.changes import (
    ChangeDone, ChangeRequestItem, ChangeRequestWithBody, ChangeRequests, ChangeWaits, ChangedThing, ChangesPage,
)
from admin_api.api.models.common import Page, Problem, ProblemError, Sent, Window
from admin_api.api.models.evidence import EvidenceQuery, FileSignature, SignedEvidence
from admin_api.api.models.exemptions import (
    ExemptionBody, ExemptionEvent, ExemptionItem, ExemptionWithHistory, Exemptions, ExemptionsPage, ReasonBody,
    RenewBody, Renewal, SubjectBody,
)
from admin_api.api.models.explain import ExplainQuery, Explained
from admin_api.api.models.firewall import FirewallQuery, PolicyDomainsQuery, PolicyNetworksQuery
from admin_api.api.models.forecast import (
    Forecast, ForecastClients, ForecastGroup, ForecastName, ForecastQuery, ForecastRequest, ForecastService,
    ForecastTop, RollOut, RollOutGroup,
)
from admin_api.api.models.groups import GroupBody, GroupItem, GroupPatch, Groups, GroupsPage, ResponseBody
from admin_api.api.models.leases import (
    LeaseBody, LeaseEnd, LeaseEventItem, LeaseHistory, LeaseHistoryPage, LeaseItem, Leases, LeasesPage,
)
from admin_api.api.models.lists import ListBody, ListItem, ListPatch, ListPut, Lists, ListsPage, Refresh
from admin_api.api.models.local import LocalNameBody, LocalNameItem, LocalNameItems, LocalNamesPage
from admin_api.api.models.log_sinks import LogSinkItem, LogSinks
from admin_api.api.models.looks import LookBody, LookItem
from admin_api.api.models.mail import MailState, MailTested
from admin_api.api.models.node import FlushBody, Flushed, Health, Ready, Status
from admin_api.api.models.pauses import PauseBody, PauseItem, Pauses
from admin_api.api.models.persons import ErasedPerson, PersonBody, PersonTakenOut
from admin_api.api.models.policy import (
    PlanBody, PlanQuery, PlanReply, PlannedItem, PolicyBody, PolicyReply, ReplayItem, ReplayReply, RevisionItem,
    Revisions, RollbackBody, SomeRules,
)
from admin_api.api.models.privacy import PrivacyReply, Receiver, StoredKind
from admin_api.api.models.privacy_settings import PrivacySettings, WidenBody
from admin_api.api.models.queries import EraseBody, ErasedQueries, Log, LogItem, LogQuery
from admin_api.api.models.reports import (
    ExemptionReport, ExemptionsQuery, ExemptionUse, PersonUse, UsageQuery, UsageReport,
)
from admin_api.api.models.restored import ConfirmBody, Confirmed, Restored, RestoredOpening
from admin_api.api.models.rules import Accepted, Added, Deleted, RuleItem, Rules, RulesBody, RulesPage
from admin_api.api.models.statistics import Series, SeriesItem, SeriesQuery, Summary, Top, TopItem, TopQuery
from admin_api.api.models.tokens import NewToken, TokenBody, TokenItem, Tokens
from admin_api.api.models.unlisted import (
    UnlistedDone, UnlistedEvidence, UnlistedForecast, UnlistedItem, UnlistedNames, UnlistedPage, UnlistedRuleBody,
)
from admin_api.api.models.webhooks import WebhookItem, Webhooks, WebhooksTested
