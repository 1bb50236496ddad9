"""Circulars and notices as people read them: texts, what is wrong with them, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.markup import escape

from skymist.cli import text


def print_text(told: Mapping[str, Any]) -> None:
    """Print a text, below what became of it."""
    approved = f"  approved by {told['approver']}" if told["approver"] else ""
    number = f"  {told['number']}" if told["number"] else ""
    about = f"revision {told['revision']} of {told['head']}  {told['state']}{approved}{number}"
    text.answers.print(f"[bold]{told['kind']} {told['id']}[/]  {escape(about)}")
    if told["error"]:
        text.answers.print(f"[bold red]{escape(told['error'])}[/]")
    click.echo(f"\nSubject: {told['subject']}\n\n{told['body']}")


def print_facts(facts: Sequence[Mapping[str, Any]]) -> None:
    """Print what each number of a text is, and where it comes from."""
    rows = ({"of": "", "detail": "", **each} for each in facts)
    text.print_rows(rows, ("name", "of", "value", "source", "detail"))


def print_comments(comments: Sequence[Mapping[str, Any]]) -> None:
    """Print what was said of a text."""
    for each in comments:
        text.answers.print(f"[bold]{escape(each['who'])}[/] on revision {each['number']}: {escape(each['text'])}")


def print_findings(found: Sequence[Mapping[str, Any]]) -> None:
    """Print all that is wrong with a text."""
    for each in found:
        label = "[bold red]error[/]" if each["level"] == "error" else "[bold]warning[/]"
        source = f" ({each['source']})" if each["source"] else ""
        text.answers.print(f"{label} {escape(each['where'])}: {escape(each['why'])}{escape(source)}")
    if not found:
        text.answers.print("nothing is wrong")


def print_changes(told: Mapping[str, Any]) -> None:
    """Print which facts are others than before."""
    text.print_rows(({**each, "of": each["of"] or ""} for each in told["changes"]), ("name", "of", "old", "new"))
    if told["conflicts"]:
        text.note(f"places that somebody has changed, too: {told['conflicts']}; both texts stand there, marked")


def print_edited(told: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> None:
    """Print the new revision's number and what is wrong with it; or, if it does not count, why, and both texts."""
    aside = told["aside"]
    if aside is None:
        click.echo(f"{told['kind']} {told['id']} has revision {told['head']}")
        print_findings(findings)
        return
    text.note(f"kept aside as revision {aside['revision']}: {aside['reason']}", "not the last word:")
    text.note(f"both put together (conflicts: {aside['conflicts']}); save it on revision {told['head']}:")
    click.echo(aside["merged"])


def print_state(told: Mapping[str, Any], as_json: bool, words: str = "") -> None:
    """Print what a publication is now."""
    if as_json:
        text.print_json(told)
        return
    number = f" as {told['number']}" if told["number"] else ""
    click.echo(f"{told['kind']} {told['id']} {words or 'is ' + told['state'] + number}")


def print_preview(preview: Mapping[str, Any]) -> None:
    """Print what would go out, byte for byte, and other ways to send it."""
    click.echo(preview["content"])
    click.echo(f"\nSHA-256: {preview['sha256']}   state: {preview['state']}   revision: {preview['revision']}")
    if preview["web_link"]:
        click.echo(f"\nby the form of GCN:\n{preview['web_link']}")
        click.echo(f"\nby e-mail:\n{preview['email']}")
    if preview["voevent"]:
        click.echo(f"\nas a VOEvent:\n{preview['voevent']}")
