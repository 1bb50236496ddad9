"""DOIs: a record that is public gets one from DataCite, or from what speaks like it.

The DOI follows from the record's identifier, so that asking twice gives one, also if the answer to the first was lost.
Nobody but a person asks, and without an account in the settings nothing can be sent.

Reference: https://support.datacite.org/docs/api.
"""

import json
from dataclasses import replace
from typing import Any

from datacite import DataCiteRESTClient
from datacite.errors import DataCiteError, HttpError
from sqlalchemy.orm import Session

from skymist.errors import ConflictError, SendError
from skymist.fair.datacite import datacite
from skymist.fair.record import Record, Site, Status
from skymist.model.identity import Thing
from skymist.records import Database, identities
from skymist.records.tables import Identity
from skymist.workflow.archive.describe import describe
from skymist.workflow.archive.settings import DataCiteSettings

TIMEOUT_S = 30.0

_LISTS = "contributors", "dates", "formats", "relatedIdentifiers", "sizes"
"""What can become empty: DataCite keeps what it was told before of what an answer leaves out."""


def register(
    database: Database, settings: DataCiteSettings, site: Site, fragment: str, who: str, *, publish: bool = False
) -> str:
    """Register the DOI of a record, or bring what DataCite knows of it up to date.

    Parameters
    ----------
    database : Database
    settings : DataCiteSettings
    site : Site
    fragment : str
        Of the record.
    who : str
        For the log.
    publish : bool
        Whether it becomes findable, for ever; else it is a draft, or stays what it is. That of a record which was
        withdrawn is hidden from searches.

    Returns
    -------
    str
        The DOI.

    Raises
    ------
    UnknownNameError
        If there is no such record.
    ConflictError
        If it is not public, or has a DOI of another account.
    SendError
        If DataCite does not take it, or cannot be reached.
    """
    with database.read() as session:
        identity = identities.get(session, fragment)
        record = _told(session, site, identity)
    doi = identity.doi or f"{settings.prefix}/skymist.{identity.fragment}".lower()
    if not doi.startswith(f"{settings.prefix}/"):
        raise ConflictError(f"{identity.fragment} has the DOI {doi}, which is not of the prefix {settings.prefix}")
    attributes = {**{key: [] for key in _LISTS}, **datacite(replace(record, doi=doi)), "prefix": settings.prefix}
    if publish or record.status == Status.WITHDRAWN:
        attributes["event"] = "hide" if record.status == Status.WITHDRAWN else "publish"
    _send(settings, doi, attributes)
    with database.begin() as session:
        kept = identities.get(session, identity.fragment)
        if not kept.doi:
            identities.give_doi(session, kept, doi, who)
    return doi


def _told(session: Session, site: Site, identity: Identity) -> Record:
    """Return a record as everybody sees it; a tombstone if it has a DOI, which has to lead somewhere."""
    if not (identities.is_public(session, identity) or (identity.doi and identities.was_public(session, identity))):
        own = "it" if identity.thing in (Thing.ALERT, Thing.SCAN) else "what it belongs to"
        raise ConflictError(
            f"{identity.fragment} is not public, so that its DOI would lead nowhere: release {own} first"
        )
    return describe(session, site, identity, public=True).record


def _send(settings: DataCiteSettings, doi: str, attributes: dict[str, Any]) -> None:
    """Register a DOI; one that is registered already is changed."""
    client = DataCiteRESTClient(
        settings.username, settings.password, settings.prefix, url=settings.url, timeout=TIMEOUT_S
    )
    body = {"type": "dois", "attributes": attributes}
    try:
        try:
            client.post_doi(body)
        except DataCiteError as error:
            if "already been taken" not in str(error):
                raise
            client.put_doi(doi, body)
    except HttpError as error:
        raise SendError(f"DataCite at {settings.url} cannot be reached: {_short(error)}", "unknown") from None
    except DataCiteError as error:
        reasons = _reasons(str(error))
        why, outcome = (reasons, "refused") if reasons else (f"its answer was {_short(error)!r}", "unknown")
        raise SendError(f"DataCite at {settings.url} does not take {doi}: {why}", outcome) from None
    except (ValueError, KeyError, TypeError):
        raise SendError(f"what answers at {settings.url} is not DataCite", "unknown") from None


def _reasons(answer: str) -> str:
    """Return what is wrong, as an answer of DataCite says it; empty if it says nothing."""
    try:
        found = json.loads(answer)["errors"]
        return "; ".join(": ".join(str(each[key]) for key in ("source", "title") if each.get(key)) for each in found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
