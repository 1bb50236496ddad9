"""``skymist archive export|verify|import|snapshot``: what leaves the archive as a whole, and what comes in."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.progress import track

from skymist.cli import bars, text
from skymist.cli.db import connect, database_option, json_option, opened, user
from skymist.cli.own import ROLES
from skymist.cli.selection import filter_options, filters, find, given, names_argument
from skymist.cli.site import archive_settings, config_option, of_service, where
from skymist.cli.status import FAILED
from skymist.errors import RequestError, SkymistError
from skymist.store.place import Place, place


@click.command("export")
@names_argument
@filter_options
@click.option("--to", type=place, required=True, metavar="PATH|URL", help="Empty folder, also in an object store.")
@click.option("--everything", is_flag=True, help="All that there is, also what belongs to no alert.")
@config_option
@database_option()
@json_option
def export(
    names: tuple[str, ...], to: Place, everything: bool, config: Path | None, database: str, as_json: bool,
    **values: Any,
) -> None:  # fmt: skip
    """Write an RO-Crate: maps, messages, records, figures, metadata and checksums of alerts, or of all that there is.

    The alerts are those that are named, or all that fit. What is written is whole and for the site: of what is public,
    the service shows the rest. Exit status 1 if something is not as the records say: it is told after all is written.
    """
    from skymist.workflow.archive.exchange import export_archive

    if everything and (names or filters() or values["role"] != ROLES[0]):
        raise RequestError("--everything leaves nothing out: name alerts, filter them, or say --everything alone")
    site, words = archive_settings(config).site, given(values, names)
    with opened(where(config, database)) as records, bars.of_steps("exporting") as show:
        with records.read() as session:
            ids = None if everything else [each.id for each in find(session, names, words)]
        if ids == []:
            raise RequestError("no alert fits: nothing is exported; --everything takes what belongs to no alert, too")
        made = export_archive(records, site, to, ids, show)
    if as_json:
        text.print_json({**vars(made), "where": str(made.where)})
    else:
        click.echo(f"{made.where}: {made.files} files, {made.size / 1e6:,.1f} MB, {made.rows['alerts']} alerts")
        click.echo(f"digest {made.digest}: kept elsewhere, it tells whether this is still that crate")
    _tell_doubts(made.doubts)


@click.command("verify")
@click.argument("crate", type=place, metavar="CRATE")
@click.option("--digest", metavar="SHA256", help="That it had when it was exported.")
@json_option
def verify(crate: Place, digest: str | None, as_json: bool) -> None:
    """Look at every byte of a CRATE (a folder, or its URL). Exit status 1 if it is not what was exported."""
    from skymist.workflow.archive.restore import verify

    found = verify(crate)
    problems = [*found.problems]
    if digest is not None and digest != found.digest:
        problems.append(
            f"its digest is {found.digest}, not {digest}: another crate, or checksums and files were changed"
        )
    if as_json:
        text.print_json({"crate": str(crate), "files": found.files, "digest": found.digest, "problems": problems})
    for problem in () if as_json else problems:
        click.echo(problem)
    if problems:
        raise click.exceptions.Exit(FAILED)
    if not as_json:
        click.echo(f"{crate}: {found.files} files are what they were; digest {found.digest}")


@click.command("import")
@click.argument("paths", metavar="CRATE|FILE...", nargs=-1, required=True)
@click.option("--out", type=place, metavar="PATH|URL", show_default="that of the settings",
              help="Folder of the maps.")  # fmt: skip
@click.option("--convention", metavar="NAME", help="Of declination in results of others: standard or mirrored.")
@click.option("--reco", metavar="NAME", default="", help="Reconstruction that made maps which do not say so.")
@click.option("--utc", metavar="TIME", help="Time of the event, if neither the map nor the records tell it.")
@click.option("--damaged", is_flag=True, help="Take what can be read of a crate that is not what it was.")
@config_option
@database_option()
@json_option
def import_(
    paths: tuple[str, ...], out: Place | None, convention: str | None, reco: str, utc: str | None, damaged: bool,
    config: Path | None, database: str, as_json: bool,
) -> None:  # fmt: skip
    """Bring a CRATE back into an empty database (which is made), or take in files of others.

    A FILE is a catalog (IceCat-1, GCN's table), a notice, an event, a result of Skymap Scanner (JSON, NPZ) or a public
    multi-order FITS map: content tells which. Exit status 1 if one of them cannot be read.
    """
    from skymist.workflow.archive.exchange import Imported, import_file, is_crate

    if "" in paths:
        raise RequestError("an empty argument is no file: name what to import")
    folder, database = out or place(of_service(config).out), where(config, database)
    whole = len(paths) == 1 and ("://" in paths[0] or is_crate(Path(paths[0])))
    if (whole and (convention or reco or utc)) or (damaged and not whole):
        raise RequestError("--damaged is for a crate; --convention, --reco and --utc are for maps of others")
    if whole:
        _restore(place(paths[0]), folder, database, damaged, as_json)
        return
    found, failed = Imported(), dict[str, str]()
    files = [file for path in paths for file in _files(path)]
    with opened(database) as records:
        for file in track(files, "importing", console=text.notes, transient=True, disable=not text.notes.is_terminal):
            with _noting(failed, file):
                str(file).encode()  # or the database would refuse its name
                import_file(records, file, folder, user(), found, convention=convention, reconstruction=reco, utc=utc)
            # Files of the same name may be in several folders.
            failed |= {str(file.parent / position): reason for position, reason in found.failed.items()}
            found.failed.clear()
    if as_json:
        text.print_json({**vars(found), "failed": failed})
    else:
        click.echo(f"{found.alerts} messages of alerts, {found.maps} maps; {found.known} were known already")
        for file_name, reason in failed.items():
            text.note(f"{file_name}: {reason}", "not read:")
    if failed:
        raise click.exceptions.Exit(FAILED)


@contextmanager
def _noting(failed: dict[str, str], file: Path) -> Iterator[None]:
    """Note why a file cannot be taken in, so that the next one can."""
    try:
        yield
    except UnicodeEncodeError:
        failed[os.fsencode(file).decode(errors="replace")] = "its name is no UTF-8: rename it"
    except OSError as error:
        failed[str(file)] = error.strerror or str(error)
    except SkymistError as error:
        failed[str(file)] = str(error)


@click.command("snapshot")
@config_option
@click.option("--to", metavar="PATH|URL", help="Folder of the snapshots; that of the settings if not given.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N",
              help="So many stay; as the settings say if not given, else 7.")  # fmt: skip
@database_option()
def snapshot(config: Path | None, to: str | None, keep: int | None, database: str) -> None:
    """Make a snapshot now: all that there is as a crate, under the present time. A service makes them by itself."""
    from dataclasses import replace

    from skymist.workflow.archive.exchange import snapshots
    from skymist.workflow.archive.settings import SnapshotSettings

    settings = archive_settings(config)
    said = settings.snapshots
    folder = to or ("" if said is None else said.to)
    if not folder:
        raise RequestError("nowhere to put it: --to PATH|URL, or --config FILE with archive: {snapshots: {to: ...}}")
    usual = SnapshotSettings.keep if said is None else said.keep
    asked = SnapshotSettings(folder, every_hours=1e-9, keep=keep or usual)
    with opened(where(config, database)) as records:
        copies = snapshots(records, replace(settings, snapshots=asked))
        assert copies is not None  # there are settings
        made = copies.take()
    if made is not None:
        click.echo(f"{made.where}: {made.files} files, digest {made.digest}")
        _tell_doubts(made.doubts)


def _tell_doubts(doubts: Iterable[str]) -> None:
    """Tell what in a crate is not as the records say; with the exit status, as scripts look at that alone."""
    for doubt in doubts:
        text.note(doubt, "doubtful:")
    if doubts:
        raise click.exceptions.Exit(FAILED)


def _files(name: str) -> list[Path]:
    """Return the file of a name, or all in a folder; a crate or map is whole, and its parts are nobody's notices.

    Raises
    ------
    RequestError
        If there is nothing, or a crate or a Zarr store.
    """
    from skymist.workflow.archive.exchange import is_crate

    path = Path(name)
    if "://" in name:
        raise RequestError("only a crate may be given by its URL: import it alone")  # which may hold a secret
    if not path.exists():
        raise RequestError(f"{path}: no such file or folder")
    below = sorted(path.rglob("*")) if path.is_dir() else []
    for folder in (path, *below):
        if is_crate(folder):
            raise RequestError(f"{path} is a crate (or holds one, {folder}): import it alone")
        if (folder / "zarr.json").exists():
            raise RequestError(f"{folder} is a Zarr store: maps of skymist come with the crate that they are in")
    return [path] if not path.is_dir() else [each for each in below if each.is_file()]


def _restore(crate: Place, out: Place, database: str, damaged: bool, as_json: bool) -> None:
    from skymist.workflow.archive.restore import restore

    records = connect(database)
    try:
        made = restore(crate, records, out, damaged=damaged)
    finally:
        records.close()
    for problem in made.problems:
        text.note(problem, "damaged:")
    if made.held:
        text.note(f"{made.held} publications were about to be sent: nothing goes out twice, so confirm them anew")
    if as_json:
        text.print_json(vars(made))
    else:
        rows = ", ".join(f"{count} {name}" for name, count in made.rows.items() if count)
        text.answers.print(escape(f"{records}: {rows}; {made.files} files of maps in {out}"))
