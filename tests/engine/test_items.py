"""Arrays of objects are filled from tables, lists and blocks of every make, and from nothing else."""

from __future__ import annotations

from typing import Any

from affidavit.engine.schema_check import Schema
from affidavit.engine.stages.fields import extract
from tests.engine.papers import NUMBER, TEXT, Paper, array, schema

LINES = array(description=TEXT, quantity=NUMBER, unit_price=NUMBER, amount=NUMBER)
FOUR = (50, -340, -420, -520)


def _data(paper: Paper, wanted: Schema) -> Any:
    return extract(paper.document(), wanted).data


def _line(description: str, quantity: float, unit_price: float, amount: float) -> dict[str, Any]:
    return {"description": description, "quantity": quantity, "unit_price": unit_price, "amount": amount}


def test_header_of_two_lines_names_its_columns() -> None:
    paper = Paper()
    paper.row((50, 300, 380, 480), "", "Quantity", "Unit", "Line", pitch=10)
    paper.row((50, 300, 380, 480), "Description", "", "price", "total", pitch=16)
    paper.row(FOUR, "Steel bolt", "4", "1.50", "6.00").row(FOUR, "Brass nut", "10", "0.25", "2.50")
    assert _data(paper, schema(lines=LINES))["lines"] == [
        _line("Steel bolt", 4, 1.5, 6),
        _line("Brass nut", 10, 0.25, 2.5),
    ]


def test_columns_that_are_set_close_are_parted_where_no_word_stands() -> None:
    edges = (50, 69, 110, -340, -420, -520)
    paper = Paper().row((50, 69, 110, 310, 390, 490), "Pos", "SKU", "Description", "Qty", "Price", "Total")
    paper.row(edges, "1", "AB-1", "Steel bolt", "4", "1.50", "6.00")
    paper.row(edges, "2", "AB-22", "Brass nut long", "10", "0.25", "2.50")
    wanted = array(position=TEXT, sku=TEXT, description=TEXT, quantity=NUMBER, total=NUMBER)
    assert _data(paper, schema(lines=wanted))["lines"] == [
        {"position": "1", "sku": "AB-1", "description": "Steel bolt", "quantity": 4, "total": 6},
        {"position": "2", "sku": "AB-22", "description": "Brass nut long", "quantity": 10, "total": 2.5},
    ]


def test_lines_without_figures_go_on_with_the_description_above() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Repair of the garden gate", "1", "80.00", "80.00", pitch=10)
    paper.row((50,), "with new hinges and paint", pitch=18)
    paper.row(FOUR, "Travel", "2", "15.00", "30.00")
    assert _data(paper, schema(lines=LINES))["lines"] == [
        _line("Repair of the garden gate with new hinges and paint", 1, 80, 80),
        _line("Travel", 2, 15, 30),
    ]


def test_lines_over_the_figures_belong_to_the_nearest_row() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount", pitch=20)
    for name, quantity, price, amount in (("Oak", "1", "80.00", "80.00"), ("Elm", "2", "15.00", "30.00")):
        paper.row((50,), f"{name} board", pitch=11)
        paper.row(FOUR, "planed and oiled", quantity, price, amount, pitch=11)
        paper.row((50,), "three metres", pitch=22)
    assert [line["description"] for line in _data(paper, schema(lines=LINES))["lines"]] == [
        "Oak board planed and oiled three metres",
        "Elm board planed and oiled three metres",
    ]


def test_sums_taxes_and_carried_amounts_are_no_items() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Chair", "2", "40.00", "80.00").row((50, -520), "Carried forward", "80.00").page()
    paper.row((50, -520), "Brought forward", "80.00").row(FOUR, "Table", "1", "150.00", "150.00")
    paper.row((300, -520), "Subtotal", "230.00").row((300, -520), "VAT 20 %", "46.00")
    paper.row((300, -520), "Total due EUR", "276.00")
    names = [line["description"] for line in _data(paper, schema(lines=LINES))["lines"]]
    assert names == ["Chair", "Table"]


def test_table_goes_on_over_the_page_without_its_header() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    for number in range(50):
        if number == 25:
            paper.page().line("Lumber and Sons, invoice 4711, page 2").gap(30)
        paper.row(FOUR, f"Board type {number}", "2", f"{number}.50", f"{2 * number + 1}.00")
    lines = _data(paper, schema(lines=LINES))["lines"]
    assert [line["description"] for line in lines] == [f"Board type {number}" for number in range(50)]


def test_header_repeated_on_the_next_page_is_no_item() -> None:
    paper = Paper()
    for page in range(3):
        paper.page().line("Statement of works").gap(20)
        paper.row(FOUR, "Description", "Qty", "Price", "Amount")
        for number in range(3):
            paper.row(FOUR, f"Work {page}.{number}", "1", "10.00", "10.00")
    assert len(_data(paper, schema(lines=LINES))["lines"]) == 9


def test_each_array_finds_its_own_table() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Chair", "2", "40.00", "80.00").row(FOUR, "Apples", "10", "0.50", "5.00").gap(40)
    paper.row((50, -200, -300), "VAT %", "Net amount", "VAT amount")
    paper.row((50, -200, -300), "20 %", "80.00", "16.00").row((50, -200, -300), "5 %", "5.00", "0.25").gap(40)
    paper.row((50, -200), "Due date", "Instalment").row((50, -200), "2026-02-01", "50.00")
    paper.row((50, -200), "2026-03-01", "51.25")
    data = _data(
        paper,
        schema(
            taxes=array(tax_rate=NUMBER, net_amount=NUMBER, vat_amount=NUMBER),
            lines=LINES,
            instalments=array(due_date={"type": "string", "format": "date"}, instalment=NUMBER),
        ),
    )
    assert data["lines"] == [_line("Chair", 2, 40, 80), _line("Apples", 10, 0.5, 5)]
    assert data["taxes"] == [
        {"tax_rate": 20, "net_amount": 80, "vat_amount": 16},
        {"tax_rate": 5, "net_amount": 5, "vat_amount": 0.25},
    ]
    assert data["instalments"] == [
        {"due_date": "2026-02-01", "instalment": 50},
        {"due_date": "2026-03-01", "instalment": 51.25},
    ]


def test_transactions_of_a_statement_keep_debit_and_credit_apart() -> None:
    edges = (50, 120, -350, -430, -520)
    paper = Paper().row(edges, "Date", "Details", "Debit", "Credit", "Balance")
    paper.row(edges, "03/01/2026", "Card payment", "25.10", "", "974.90")
    paper.row(edges, "15/01/2026", "Salary", "", "2,000.00", "2,974.90")
    wanted = array(date={"type": "string", "format": "date"}, details=TEXT, debit=NUMBER, credit=NUMBER)
    rows = _data(paper, schema(transactions=wanted))["transactions"]
    assert [(row["date"], row.get("debit"), row.get("credit")) for row in rows] == [
        ("2026-01-03", 25.1, None),
        ("2026-01-15", None, 2000),
    ]


def test_credit_note_keeps_its_minus() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Broken chair", "-1", "40.00", "-40.00").row(FOUR, "Broken lamp", "-2", "5.00", "-10.00")
    assert [line["amount"] for line in _data(paper, schema(lines=LINES))["lines"]] == [-40, -10]


def test_unit_behind_a_quantity_fills_its_own_property() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Sand", "3 kg", "2.00", "6.00").row(FOUR, "Rope", "10 m", "1.00", "10.00")
    wanted = array(description=TEXT, quantity=NUMBER, unit=TEXT, amount=NUMBER)
    lines = _data(paper, schema(lines=wanted))["lines"]
    assert [(line["quantity"], line["unit"]) for line in lines] == [(3, "kg"), (10, "m")]


def test_amounts_are_told_from_prices_by_what_multiplies() -> None:
    paper = Paper().row(FOUR, "Item", "Price", "Qty", "Price")
    paper.row(FOUR, "Chair", "40.00", "2", "80.00").row(FOUR, "Lamp", "5.00", "3", "15.00")
    lines = _data(paper, schema(lines=LINES))["lines"]
    assert [(line["unit_price"], line["amount"]) for line in lines] == [(40, 80), (5, 15)]


def test_receipt_without_header_gives_its_items() -> None:
    paper = Paper().line("CORNER SHOP").line("12 High Street").gap()
    paper.row((50, -220), "2 x Espresso", "5.00").row((50, -220), "Croissant", "2.20")
    paper.row((50, -220), "Orange juice 0.3l", "3.80").gap(6)
    paper.row((50, -220), "TOTAL", "11.00").row((50, -220), "Cash", "20.00").row((50, -220), "Change", "9.00")
    data = _data(paper, schema(items=array(name=TEXT, quantity=NUMBER, price=NUMBER), total=NUMBER))
    assert data == {
        "items": [
            {"name": "Espresso", "quantity": 2, "price": 5},
            {"name": "Croissant", "price": 2.2},
            {"name": "Orange juice 0.3l", "price": 3.8},
        ],
        "total": 11,
    }


def test_letter_without_items_gives_none() -> None:
    paper = Paper().line("Dear Ms Porter,").line("thank you for your payment of 120.00 EUR.").line("Yours")
    assert _data(paper, schema(lines=LINES)) == {"lines": []}


def test_inner_rows_go_with_the_order_that_stands_beside_the_first() -> None:
    edges = (50, 130, 300, -420)
    paper = Paper().row(edges, "Order", "Customer", "Article", "Pieces")
    paper.row(edges, "A-1", "Porter", "Chair", "2").row(edges, "", "", "Lamp", "3")
    paper.row(edges, "A-2", "Miller", "Desk", "1")
    orders = array(order=TEXT, customer=TEXT, positions=array(article=TEXT, pieces=NUMBER))
    assert _data(paper, schema(orders=orders))["orders"] == [
        {
            "order": "A-1",
            "customer": "Porter",
            "positions": [{"article": "Chair", "pieces": 2}, {"article": "Lamp", "pieces": 3}],
        },
        {"order": "A-2", "customer": "Miller", "positions": [{"article": "Desk", "pieces": 1}]},
    ]


def test_headings_over_tables_are_the_outer_items() -> None:
    edges = (50, 100, 300, -420)
    paper = Paper()
    for group, names in (("Juniors", ("Ann Lee", "Bo Hall")), ("Seniors", ("Cy Young",))):
        paper.line(f"Age group: {group}").row(edges, "Rank", "Name", "Team", "Points")
        for rank, name in enumerate(names, start=1):
            paper.row(edges, str(rank), name, "Blue", str(90 - rank))
        paper.gap(60)
    results = array(rank={"type": "integer"}, name=TEXT, team=TEXT, points={"type": "integer"})
    groups = _data(paper, schema(groups=array(age_group=TEXT, results=results)))["groups"]
    assert [(group["age_group"], [row["name"] for row in group["results"]]) for group in groups] == [
        ("Juniors", ["Ann Lee", "Bo Hall"]),
        ("Seniors", ["Cy Young"]),
    ]


def test_blocks_that_repeat_their_labels_are_items() -> None:
    paper = Paper()
    for number, seal, weight in (("MSKU1234565", "S-1", "1200"), ("TEMU7654321", "S-2", "900")):
        paper.line(f"Container: {number}").line(f"Seal: {seal}").line(f"Gross weight: {weight} kg").gap(20)
    wanted = array(container=TEXT, seal=TEXT, gross_weight=NUMBER)
    assert _data(paper, schema(containers=wanted))["containers"] == [
        {"container": "MSKU1234565", "seal": "S-1", "gross_weight": 1200},
        {"container": "TEMU7654321", "seal": "S-2", "gross_weight": 900},
    ]


def test_nested_object_of_an_item_is_filled_from_its_column() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Net price", "Amount")
    paper.row(FOUR, "Chair", "2", "40.00", "80.00").row(FOUR, "Lamp", "3", "5.00", "15.00")
    price = {"type": "object", "properties": {"net": NUMBER}}
    lines = _data(paper, schema(lines=array(description=TEXT, price=price, amount=NUMBER)))["lines"]
    assert [line["price"] for line in lines] == [{"net": 40}, {"net": 5}]


def test_every_value_of_an_item_cites_the_words_of_its_row() -> None:
    paper = Paper().row(FOUR, "Description", "Qty", "Price", "Amount")
    paper.row(FOUR, "Chair", "2", "40.00", "80.00").row(FOUR, "Lamp", "2", "40.00", "80.00")
    fields = extract(paper.document(), schema(lines=LINES)).fields
    tops = [
        [fields[f"lines[{at}].{name}"].citations[0].box[1] for name in LINES["items"]["properties"]]
        for at in (0, 1)
    ]
    assert max(tops[0]) < min(tops[1])
    assert fields["lines[1].amount"].citations[0].quote == "80.00"
