"""What a site says in its settings, for commands that work on its records."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from skymist.cli.db import own_database

if TYPE_CHECKING:
    from skymist.workflow.archive.settings import ArchiveSettings
    from skymist.workflow.settings import ServiceSettings

config_option = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", envvar="SKYMIST_CONFIG",
    show_envvar=True, help="Settings of the service: who keeps the archive, and where its records are.",
)  # fmt: skip


def of_service(config: Path | None) -> "ServiceSettings":
    """Return the settings of a service; without a file, what is usual."""
    from skymist.workflow.settings import ServiceSettings

    return ServiceSettings.load(config, Path(own_database()).parent)


def archive_settings(config: Path | None, *, account: bool = False) -> "ArchiveSettings":
    """Return what a site says of its archive."""
    from skymist.workflow.archive import settings

    return settings.of_service(of_service(config), account=account)


def where(config: Path | None, database: str) -> str:
    """Return where the records are: as said here, else as the settings say."""
    source = click.get_current_context().get_parameter_source("database")
    return database if config is None or source is not ParameterSource.DEFAULT else of_service(config).database
