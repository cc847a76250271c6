"""Pydantic models of all that the API takes and sends; its OpenAPI description is made from them."""

from admin_api.api.models.changes import *  # noqa: F403
from admin_api.api.models.figures import *  # noqa: F403
from admin_api.api.models.policy import *  # noqa: F403
from admin_api.api.models.replies import *  # noqa: F403
from admin_api.api.models.rules import *  # noqa: F403
from admin_api.api.models.sent import *  # noqa: F403
from admin_api.api.models.subjects import *  # noqa: F403
