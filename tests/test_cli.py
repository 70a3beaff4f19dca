"""The command line: every command is there, and the base install runs those that need no server."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from affidavit import samples
from affidavit.cli import COMMANDS, main

# Python where nothing can be imported that the base install does not bring.
BASE_INSTALL = """
import importlib.metadata, re, sys
wanted, pending = set(), ["affidavit"]
while pending:
    name = pending.pop()
    if name in wanted:
        continue
    wanted.add(name)
    for text in importlib.metadata.requires(name) or []:
        if "extra ==" not in text:
            try:
                importlib.metadata.distribution(needed := re.match(r"[\\w.-]+", text)[0])
            except importlib.metadata.PackageNotFoundError:
                continue  # for other systems
            pending.append(needed)
wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in wanted}
owners = importlib.metadata.packages_distributions()
class Bare:
    def find_spec(self, name, path=None, target=None):
        of = {re.sub(r"[-_.]+", "-", each).lower() for each in owners.get(name, [])}
        if of and not of & wanted:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Bare())
from affidavit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def base_install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BASE_INSTALL, *arguments], check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_command_leads_to_a_function(name: str) -> None:
    module, function = COMMANDS[name].target.split(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "version"])
def test_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([name, "--help"])
    except SystemExit as ended:  # argparse's way
        status = int(ended.code or 0)
    assert status == 0
    assert capsys.readouterr().out.lower().startswith(f"usage: affidavit {name}")


def test_base_install_can_submit() -> None:
    done = base_install("submit", "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["serve", "up", "keys", "extract", "verify", "show"])
def test_base_install_says_what_a_command_needs(name: str) -> None:
    done = base_install(name, "x")
    assert done.returncode == 2
    assert f"pip install 'affidavit[{COMMANDS[name].extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_command_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explode"]) == 2
    assert "explode" in (said := capsys.readouterr().err)
    assert all(name in said for name in COMMANDS)


def test_server_command_names_the_settings_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
        monkeypatch.delenv(f"AFFIDAVIT_{name}", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])
    assert "AFFIDAVIT_SECRET_KEY" in str(ended.value.code)


def test_extract_fills_a_schema_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample, _ = samples.invoices()
    (tmp_path / "invoice.pdf").write_bytes(sample.data)
    (tmp_path / "schema.json").write_text(json.dumps(sample.schema))
    assert main(["extract", str(tmp_path / "invoice.pdf"), "--schema", str(tmp_path / "schema.json")]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == sample.expected


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["missing.pdf"], 2, "missing.pdf: No such file"),
        (["invoice.pdf", "--schema", "invoice.pdf"], 2, "the schema is not JSON"),
        (["invoice.pdf", "--schema", "bad.json"], 2, "schema/type"),
        (["invoice.pdf", "--pages", "x"], 2, "pages"),
        (["invoice.pdf", "--pages", "9"], 1, "PAGE_RANGE_INVALID"),
        (["empty.pdf"], 1, "EMPTY_FILE"),
    ],
)
def test_extract_says_what_is_wrong(
    arguments: list[str],
    status: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("invoice.pdf").write_bytes(samples.invoice_pdf())
    Path("bad.json").write_text('{"type": "bogus"}')
    Path("empty.pdf").touch()
    assert main(["extract", *arguments]) == status
    assert says in capsys.readouterr().err
