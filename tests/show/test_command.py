"""`affidavit show` ends as `affidavit verify` does, and leaves a page in each case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from affidavit.show.command import main
from tests.show.making import Key, altered, invoice


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle = invoice().seal()
    (tmp_path / "good.zip").write_bytes(bundle)
    (tmp_path / "bad.zip").write_bytes(altered(bundle, "document.md", lambda data: data.lower()))
    (tmp_path / "none.zip").write_bytes(b"no bundle")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "key.pem").write_bytes(Key().pem())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "arguments", "status", "said"),
    [
        ("good", ["--key", "keys/key.pem"], 0, "Nothing is wrong"),
        ("good", ["--trust", "keys"], 0, "Nothing is wrong"),
        ("good", [], 3, "Not proven"),
        ("bad", ["--trust", "keys"], 1, "Broken"),
        ("none", ["--trust", "keys"], 2, "Broken"),
    ],
)
def test_it_ends_as_verify_does_and_leaves_a_page(
    name: str, arguments: list[str], status: int, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    assert main([f"{name}.zip", *arguments]) == status

    assert said in (folder / f"{name}.html").read_text()
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_it_writes_where_it_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "good.zip"), "-o", str(folder / "page.htm")]) == 3
    assert main([str(folder / "good.zip"), "-o", "-", "--pages", "1-2,7"]) == 3

    assert (folder / "page.htm").read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.rstrip().endswith("</html>")


def test_it_never_writes_over_the_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = folder / "bundle.html"
    bundle.write_bytes((folder / "good.zip").read_bytes())

    assert main([str(bundle)]) == 2

    assert bundle.read_bytes() == (folder / "good.zip").read_bytes()
    assert "-o" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["missing.zip"], ["good.zip", "--key", "good.zip"]])
def test_what_it_cannot_use_is_named(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)

    assert main(arguments) == 2

    assert arguments[-1] in capsys.readouterr().err
    assert not (folder / "good.html").exists()


def test_pages_that_are_no_pages_are_refused(folder: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(folder / "good.zip"), "--pages", "0-x"])

    assert ended.value.code == 2


def test_it_needs_cryptography_alone() -> None:
    program = (
        "import sys; import affidavit.show.command; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )

    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    found = {name for name in done.stdout.split() if not name.startswith(("_", "sitecustomize"))}
    assert found <= {"affidavit", "cryptography", "cffi"}
