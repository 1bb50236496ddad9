"""The house is in order: what is said twice says the same."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import skymist
from skymist.errors import ReadError, SkymistError, UnknownNameError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_lists_what_pyproject_lists() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert set(listed) - {"python" + PROJECT["requires-python"], "pip"} == set(wanted)


def test_the_lock_has_a_version_of_everything_that_is_needed() -> None:
    locked = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]
    here = {canonicalize_name(each.name): each for each in locked if each.marker is None or each.marker.evaluate()}
    extras = PROJECT["optional-dependencies"].values()
    for text in (*PROJECT["dependencies"], *(text for needed in extras for text in needed)):
        needed = Requirement(text)
        (pin,) = here[canonicalize_name(needed.name)].specifier
        assert (pin.operator, needed.specifier.contains(pin.version)) == ("==", True), text


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_public_name_exists() -> None:
    assert sorted(skymist.__all__) == skymist.__all__
    for name in skymist.__all__:
        assert getattr(skymist, name) is not None


def test_contributing_shows_every_part() -> None:
    shown = set(re.findall(r"^  (\w+)(?:\.py|/)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    there = {path.stem for path in (ROOT / "skymist").iterdir() if not path.stem.startswith(("_", "py", "."))}
    assert shown == there


SECRETS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "CloudantDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "IbmCosHmacDetector", "JwtTokenDetector", "MailchimpDetector",
    "NpmDetector", "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
"""What is a secret by its form; docs/explanation/security-review.md tells of what only looks like one."""


def secrets_in(path: Path) -> set[str]:
    with transient_settings({"plugins_used": [{"name": name} for name in SECRETS]}):
        found = {each.type for each in scan_file(str(path))}
    content = path.read_text(encoding="utf-8", errors="replace")
    return found | {"token of skymist" for _ in re.findall(r"skymist_[0-9a-f]{64}", content)}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository, which says what is published")
def test_there_are_no_secrets(tmp_path: Path) -> None:
    planted = tmp_path / "planted.txt"
    planted.write_text(f"-----BEGIN RSA PRIVATE {'KEY'}-----\nAKIA{'A1' * 8}\nskymist_{'0f' * 32}\n")
    assert secrets_in(planted) == {"Private Key", "AWS Access Key", "token of skymist"}
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    names = [name for name in files.split("\0") if name and (ROOT / name).is_file()]
    assert len(names) > 200
    assert {name: found for name in names if (found := secrets_in(ROOT / name))} == {}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ReadError("too short", "x.i3", 12), "x.i3, at 12: too short"),
        (ReadError("too short", "x.i3"), "x.i3: too short"),
        (ReadError("too short"), "too short"),
        (ReadError("too short", "frame P", 3).within("x.i3"), "x.i3: frame P, at 3: too short"),
        (UnknownNameError("fruit", "pear", ["b", "a"]), "no fruit is called 'pear'; there are: a, b"),
    ],
)
def test_errors_read_well(error: SkymistError, text: str) -> None:
    assert str(error) == text
