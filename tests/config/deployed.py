"""The settings of an installation that others can reach: those of the marked block of `.env.example`."""

import os
import re
import runpy
from pathlib import Path
from typing import Any
from unittest import mock

from tests.worker_process import ROOT

SECRETS = {
    "secret_key": "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z",
    "database_url": "sqlite:////tmp/vestnik-deployed/nothing.sqlite3",
    "oidc_client_secret": "the provider's",
    "gateway_token": "the gateway's",
    "metrics_token": "the token of who measures",
    "email_url": "smtp+tls://vestnik:a%40b@mail.example.com",
}


def production(folder: Path) -> dict[str, str]:
    """The block's values; its secrets are in `folder`, where the block says `/run/secrets`."""
    for name, text in SECRETS.items():
        (folder / name).write_text(text.replace("/tmp/vestnik-deployed", str(folder)) + "\n")
    block = (ROOT / ".env.example").read_text().partition("# --- In production ---")[2]
    values = dict(re.findall(r"(?m)^# ([A-Z][A-Z0-9_]+)=(.*)$", block))
    return {name: value.replace("/run/secrets", str(folder)) for name, value in values.items()}


def settings_with(**environment: str) -> dict[str, Any]:
    """What `config/settings.py` makes of exactly this environment."""
    system = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    with mock.patch.dict(os.environ, system | environment, clear=True):
        return runpy.run_path(str(ROOT / "config" / "settings.py"))
