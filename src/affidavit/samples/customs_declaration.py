"""Two customs declarations: a form of numbered boxes, a broker's printout."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import BOLD, MARGIN, SMALL, Align, Column, Rules, Sheet, Style

EXPORT: dict[str, Any] = {
    "reference_number": "26IE4471820AB99310",
    "declaration_date": "2026-05-07",
    "procedure_code": "1000",
    "exporter": "Galway Wool Mills Ltd",
    "importer": "Fjord Outfitters AS",
    "declarant": "Shannon Freight Agents",
    "country_of_dispatch": "Ireland",
    "country_of_destination": "Norway",
    "delivery_terms": "DAP Bergen",
    "currency": "EUR",
    "total_value": 23870.0,
    "total_packages": 46,
    "items": [
        {
            "commodity_code": "61101110",
            "description": "Wool jumpers, knitted",
            "origin": "IE",
            "net_mass": 412.5,
            "value": 18450.0,
        },
        {
            "commodity_code": "61171000",
            "description": "Wool scarves",
            "origin": "IE",
            "net_mass": 96.0,
            "value": 5420.0,
        },
    ],
}
IMPORT: dict[str, Any] = {
    "reference_number": "IM-2026-008871",
    "declaration_date": "2026-08-26",
    "procedure_code": "4000",
    "exporter": "Hoshino Ceramics Co., Ltd.",
    "importer": "Table & Hearth GmbH",
    "declarant": "Rheinzoll Spedition",
    "country_of_dispatch": "Japan",
    "country_of_destination": "Germany",
    "delivery_terms": "FOB Nagoya",
    "currency": "USD",
    "total_value": 9312.4,
    "total_packages": 28,
    "items": [
        {
            "commodity_code": "69111000",
            "description": "Porcelain tableware",
            "origin": "JP",
            "net_mass": 655.2,
            "value": 7840.0,
        },
        {
            "commodity_code": "69120023",
            "description": "Stoneware bowls",
            "origin": "JP",
            "net_mass": 140.8,
            "value": 1472.4,
        },
    ],
}

_COLUMNS = (
    Column("Commodity code", 95),
    Column("Description of goods", 178),
    Column("Origin", 50),
    Column("Net mass (kg)", 80, Align.RIGHT),
    Column("Value", 80, Align.RIGHT),
)


def export() -> bytes:
    """Draw the first declaration: an authority's form of boxes."""
    sheet = Sheet()
    sheet.text(MARGIN, 58, "CUSTOMS DECLARATION", Style(16, "hebo"))
    sheet.text(sheet.width - MARGIN, 58, "Export", Style(12, "hebo"), Align.RIGHT)
    boxes = (
        (0, 76, 241, 34, "MRN", "26IE4471820AB99310"),
        (242, 76, 120, 34, "Date of acceptance", "07/05/2026"),
        (363, 76, 120, 34, "Procedure", "1000"),
        (0, 111, 241, 70, "Consignor / Exporter", "Galway Wool Mills Ltd\nDock Road\nGalway H91 X4Y2"),
        (242, 111, 241, 70, "Consignee / Importer", "Fjord Outfitters AS\nBryggen 21\n5003 Bergen"),
        (0, 182, 241, 34, "Declarant / Representative", "Shannon Freight Agents"),
        (242, 182, 120, 34, "Country of dispatch", "Ireland"),
        (363, 182, 120, 34, "Country of destination", "Norway"),
        (0, 217, 120, 34, "Delivery terms", "DAP Bergen"),
        (121, 217, 120, 34, "Currency", "EUR"),
        (242, 217, 120, 34, "Total invoice value", "23,870.00"),
        (363, 217, 120, 34, "Total packages", "46"),
    )
    for x, y, width, height, label, value in boxes:
        sheet.box(MARGIN + x, y, width, height, label, value)
    sheet.table(MARGIN, 270, _COLUMNS, _rows(EXPORT), Rules.GRID, step=24)
    sheet.text(MARGIN, 780, "Printed from the declaration system. No signature is needed.", SMALL)
    return sheet.pdf()


def broker() -> bytes:
    """Draw the second declaration: a broker's printout, line by line."""
    sheet = Sheet()
    sheet.text(MARGIN, 60, "Import declaration", Style(16, "tibo"))
    sheet.text(MARGIN, 76, "Copy for the importer", SMALL)
    left = [
        ("Declaration no.:", "IM-2026-008871"),
        ("Declaration date:", "26.08.2026"),
        ("Procedure code:", "4000"),
        ("Exporter:", "Hoshino Ceramics Co., Ltd."),
        ("Importer:", "Table & Hearth GmbH"),
        ("Declarant:", "Rheinzoll Spedition"),
    ]
    right = [
        ("Country of export:", "Japan"),
        ("Country of destination:", "Germany"),
        ("Incoterm:", "FOB Nagoya"),
        ("Currency:", "USD"),
        ("Total packages:", "28"),
    ]
    sheet.pairs(MARGIN, 106, left, gap=100)
    sheet.pairs(330, 106, right, gap=125)
    bottom = sheet.table(MARGIN, 226, _COLUMNS, _rows(IMPORT), Rules.HEAD, step=21)
    sheet.rule(bottom + 4)
    sheet.text(MARGIN + 300, bottom + 22, "Total value", BOLD)
    sheet.text(MARGIN + 478, bottom + 22, "9,312.40", BOLD, Align.RIGHT)
    return sheet.pdf()


def _rows(declaration: dict[str, Any]) -> list[list[str]]:
    return [
        [
            item["commodity_code"],
            item["description"],
            item["origin"],
            f"{item['net_mass']:,.1f}",
            f"{item['value']:,.2f}",
        ]
        for item in declaration["items"]
    ]
