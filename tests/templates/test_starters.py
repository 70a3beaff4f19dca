"""Every starter template fills itself from its sample documents, value by value, with no model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from affidavit.cli import main
from affidavit.engine import pipeline
from affidavit.engine.result import Result
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.spec import Operation, Options, Spec
from affidavit.engine.stages.conformance import FORMATS
from affidavit.samples.catalogue import LOOKS, samples_of
from affidavit.samples.sample import Sample
from affidavit.templates.starter import starters

DIGITAL, SCANNED = (0, 1), (2,)


def cases(*looks: int) -> list[Any]:
    return [pytest.param(name, look, id=f"{name}-{look + 1}") for name in LOOKS for look in looks]


def extracted(sample: Sample) -> Result:
    spec = Spec(
        operation=Operation.EXTRACT,
        json_schema=dict(sample.schema),
        options=Options(model="none"),
        page_images=False,
    )
    return pipeline.finish(pipeline.read(pipeline.Source(sample.data), spec).document, spec)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, child in value.items():
                yield from leaves(child, f"{path}.{name}" if path else name)
        case list():
            for index, child in enumerate(value):
                yield from leaves(child, f"{path}[{index}]")
        case _:
            yield path, value


def differences(sample: Sample) -> dict[str, tuple[Any, Any]]:
    """Return what was read and what is printed, where the two differ or no words are cited."""
    result = extracted(sample)
    found, printed = dict(leaves(result.data)), dict(leaves(sample.expected))
    return {
        path: (found.get(path), printed.get(path))
        for path in found.keys() | printed.keys()
        if found.get(path) != printed.get(path) or path in result.ungrounded_fields
    }


@pytest.mark.parametrize(("name", "look"), cases(*DIGITAL))
def test_every_starter_template_extracts_its_sample_correctly(name: str, look: int) -> None:
    assert differences(samples_of(name)[look]) == {}


@pytest.mark.parametrize(("name", "look"), cases(*SCANNED))
def test_every_starter_template_extracts_the_scan_of_its_sample_correctly(name: str, look: int) -> None:
    assert differences(samples_of(name)[look]) == {}


@pytest.mark.parametrize("name", sorted(starters()))
def test_starter_is_a_schema_that_its_samples_are_valid_by(name: str) -> None:
    schema = starters()[name].definition.schema
    compiled = read_schema(schema)
    assert compiled.schema == schema
    for sample in samples_of(name):
        Draft202012Validator(schema, format_checker=FORMATS).validate(sample.expected)
        printed = {path for path, _ in leaves(sample.expected)}
        assert len(printed) >= len({leaf.path for leaf in compiled.leaves})


def test_samples_are_the_same_every_time() -> None:
    drawn = [sample.data for sample in samples_of("invoice")]
    samples_of.cache_clear()
    assert [sample.data for sample in samples_of("invoice")] == drawn


def test_command_lists_shows_and_makes_samples(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["templates", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in starters())
    assert main(["templates", "show", "contract"]) == 0
    assert json.loads(capsys.readouterr().out) == starters()["contract"].definition.schema
    path = tmp_path / "receipt.pdf"
    assert main(["templates", "sample", "receipt", "-o", str(path)]) == 0
    assert path.read_bytes() == samples_of("receipt")[0].data
    assert main(["templates", "show", "nothing"]) == 2
    assert "bank_statement" in capsys.readouterr().err


def test_command_extracts_by_a_starter_template(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "contract.pdf"
    path.write_bytes(samples_of("contract")[0].data)
    assert main(["extract", str(path), "--template", "contract", "--brief"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["contract_number"] == "SLA-0093/26"
    assert found["data_schema"] == starters()["contract"].definition.schema
