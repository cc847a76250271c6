"""The config's privacy settings: those in force, and wider ones that two owners agree to."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.privacy_in_force import AGREE
from admin_api.store.errors import WrongState


async def show(call: Call) -> ApiReply:
    """GET /privacy-settings."""
    return ApiReply(_told(call))


async def widen(call: Call) -> ApiReply:
    """POST /privacy-settings:widen."""
    privacy, wanted = call.context.privacy, call.body["settings"]
    waits = ", ".join(f"{key}: {value}" for key, value in privacy.held.items())
    if not waits:
        raise WrongState("no privacy setting waits: edit the config file first, and have it read (SIGHUP)")
    if wanted != dict(privacy.held):
        raise WrongState(f"these are not the settings that wait: {waits}")
    async with call.change() as change:
        was = {key: privacy.values.get(key) for key in wanted}
        change.record(*AGREE, was, {**wanted, "reason": call.body["reason"]})
    await privacy.agree(wanted)
    call.context.node.reload_config()
    return ApiReply(_told(call), 202)


def _told(call: Call) -> models.PrivacySettings:
    privacy = call.context.privacy
    return models.PrivacySettings(in_force=dict(privacy.values), waits=dict(privacy.held))
