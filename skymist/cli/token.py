"""``skymist token``: who may use the service, for how long and for what."""

import click

from skymist.cli import text
from skymist.cli.db import database_option, json_option, opened, user
from skymist.cli.own import written

TOKEN = "id", "owner", "role", "created", "expires", "revoked"
"""Fields that are shown; its text is nowhere."""


@click.group()
def token() -> None:
    """Tokens let people and programs into the service; only a hash of each is kept."""


@token.command()
@click.option("--role", required=True, metavar="ROLE", help="viewer, analyst, approver or operator.")
@click.option("--owner", required=True, metavar="NAME", help="Person or program whose it is; stands in the log.")
@click.option(
    "--days", type=click.IntRange(min=1), default=90, show_default=True, metavar="N", help="For which it is valid."
)
@database_option()
@json_option
def create(role: str, owner: str, days: int, database: str, as_json: bool) -> None:
    """Make a token and print it: once, nobody can see it again."""
    with opened(database) as records:
        from skymist.records import tokens

        with records.begin() as session:
            made, secret = tokens.create(session, owner, role, user(), days)
            document = {**written(made, TOKEN), "token": secret}
    if as_json:
        text.print_json(document)
        return
    text.note(f"token {made.id} of {owner} ({role}), until {document['expires']}; it is shown this once:")
    click.echo(secret)
    text.note("whose it is puts it into SKYMIST_TOKEN, or into ~/.config/skymist/tokens.yaml (mode 0600) as URL: TOKEN")


@token.command("list")
@database_option()
@json_option
def list_(database: str, as_json: bool) -> None:
    """List all tokens, also those that are no longer valid."""
    with opened(database) as records:
        from skymist.records import tokens

        with records.read() as session:
            found = [written(each, TOKEN) for each in tokens.everyone(session)]
    if as_json:
        text.print_json({"tokens": found})
    else:
        text.print_rows(found, TOKEN)


@token.command()
@click.argument("token_id", metavar="ID")
@database_option()
@json_option
def revoke(token_id: str, database: str, as_json: bool) -> None:
    """Revoke the token ID (skymist token list names them): it lets nobody in from now on."""
    with opened(database) as records:
        from skymist.records import tokens

        with records.begin() as session:
            found = written(tokens.revoke(session, token_id, user()), TOKEN)
    if as_json:
        text.print_json(found)
    else:
        click.echo(f"token {token_id} of {found['owner']} is revoked")
