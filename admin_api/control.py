"""The control process's composition root: store, compile rounds, statistics, query log and the admin API.

Run by the supervisor as ``python -m admin_api.control FD``. DNS does not depend on it: when it ends, the workers go on
with the policy that they have, their counts stay in their files, and their query events wait in the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop

from admin_api.audit_head import keep_head
from admin_api.channel import Channel
from admin_api.compiling.keeper import Keeper
from admin_api.config_policy import ConfigPolicy
from admin_api.door import Door
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import QueryLogWriter
from admin_api.serving import serve
from admin_api.statistics.service import StatisticsService
from admin_api.store.tokens import ensure_first_token
from blocklists.catalogue import load_catalogue
from resolver.config.settings import ControlSettings, WorkerSettings
from resolver.explaining import access_of
from resolver.telemetry.log import Log, make_log
