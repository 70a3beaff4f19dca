"""Where the migrations are, and which revisions they make."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

_PACKAGE = Path(__file__).parents[1]


def configuration() -> Config:
    """Return what Alembic needs to know beside the database."""
    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config


@cache
def revisions() -> tuple[str, ...]:
    """Return the revisions that this version knows, the newest first."""
    scripts = ScriptDirectory.from_config(configuration())
    return tuple(script.revision for script in scripts.walk_revisions())


def _migrations() -> Path:
    """Find the migrations: in the wheel beside the code, in a checkout at its top."""
    packaged = _PACKAGE / "_migrations"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "migrations"
