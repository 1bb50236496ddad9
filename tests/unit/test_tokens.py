"""Tokens let in whom they are for, for as long as they are for, and nobody else; only hashes are kept."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from skymist.errors import ConflictError, RequestError, SkymistError, UnknownNameError
from skymist.records import Database, log, tables, tokens
from skymist.records.tokens import Access


def make(database: Database, owner: str = "ana", role: str = "analyst", days: int = 90) -> tuple[tables.Token, str]:
    with database.begin() as session:
        return tokens.create(session, owner, role, "boss", days)


def test_a_token_is_found_until_it_is_revoked(database: Database) -> None:
    token, text = make(database)
    with database.read() as session:
        found = tokens.find(session, text)
        assert found is not None
        assert (found.id, found.owner, found.role) == (token.id, "ana", "analyst")
    with database.begin() as session:
        assert tokens.revoke(session, token.id, "boss").revoked is not None
    with database.begin() as session:
        assert tokens.find(session, text) is None
        with pytest.raises(ConflictError, match=f"token {token.id} of ana is revoked already"):
            tokens.revoke(session, token.id, "boss")
        entries = [(each.who, each.action, each.details["owner"]) for each in log.entries(session, "token", token.id)]
    assert entries == [("boss", "created", "ana"), ("boss", "revoked", "ana")]


def test_it_expires(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    token, text = make(database, days=2)
    later = token.created + timedelta(days=2)
    with database.read() as session:
        monkeypatch.setattr(tokens, "now", lambda: later - timedelta(seconds=1))
        assert tokens.find(session, text) is not None
        monkeypatch.setattr(tokens, "now", lambda: later)
        assert tokens.find(session, text) is None


def test_the_text_is_long_random_and_kept_nowhere(database: Database) -> None:
    texts = {make(database)[1] for _ in range(20)}
    assert len(texts) == 20
    with database.read() as session:
        kept = repr([vars(each) for each in tokens.everyone(session)])
        kept += repr([each.details for each in session.scalars(select(tables.LogEntry))])
    for text in texts:
        assert text.startswith("skymist_")
        assert len(bytes.fromhex(text.removeprefix("skymist_"))) == 32
        assert text.removeprefix("skymist_") not in kept


def test_others_are_not_found(database: Database) -> None:
    make(database)
    with database.read() as session:
        for text in ("", "skymist_", "skymist_" + "0" * 64, "skymist_\x00\ud800", "x" * 100_000):
            assert tokens.find(session, text) is None


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        (
            {"role": "root"},
            UnknownNameError,
            "'root'; there are: analyst, approver, operator, viewer",
        ),
        ({"owner": ""}, RequestError, "owner"),
        ({"owner": "skymist"}, RequestError, "owner"),
        ({"owner": "oidc:ana"}, RequestError, "owner"),
        ({"owner": "a\nb"}, RequestError, "owner"),
        ({"owner": "a" * 101}, RequestError, "owner"),
        ({"days": 0}, RequestError, "1 to 3650 days, not 0"),
        ({"days": 3651}, RequestError, "1 to 3650 days, not 3651"),
    ],
)
def test_what_makes_no_sense(
    database: Database, changes: dict[str, object], error: type[SkymistError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        make(database, **changes)  # type: ignore[arg-type]
    with database.begin() as session:
        assert tokens.everyone(session) == []
        with pytest.raises(UnknownNameError, match="no token is called 'none'"):
            tokens.revoke(session, "none", "boss")


def test_each_role_may_do_what_those_before_may() -> None:
    assert [str(role) for role in Access] == ["viewer", "analyst", "approver", "operator"]
    for low, high in pairwise(Access):
        assert high.includes(low)
        assert high.includes(high)
        assert not low.includes(high)
