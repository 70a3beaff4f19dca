"""Two bills of lading: a carrier's form of boxes, a forwarder's sheet of lines."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import BOLD, MARGIN, SMALL, Align, Column, Rules, Sheet, Style

CARRIER: dict[str, Any] = {
    "bl_number": "NSLU2604471",
    "booking_number": "BK-118204",
    "shipper": "Alentejo Cork SA",
    "consignee": "Pacific Flooring Inc.",
    "notify_party": "Gateway Customs Brokers",
    "vessel": "MV Astrid Horizon",
    "voyage": "026W",
    "port_of_loading": "Sines",
    "port_of_discharge": "Oakland",
    "place_of_delivery": "Sacramento",
    "freight": "prepaid",
    "issue_date": "2026-03-19",
    "containers": [
        {
            "container_number": "NSLU4471820",
            "seal_number": "PT88213",
            "packages": 420,
            "description": "Cork floor tiles",
            "gross_weight": 11850.0,
        },
        {
            "container_number": "NSLU4471835",
            "seal_number": "PT88214",
            "packages": 398,
            "description": "Cork underlay rolls",
            "gross_weight": 9420.5,
        },
    ],
    "total_weight": 21270.5,
}
FORWARDER: dict[str, Any] = {
    "bl_number": "HBL-70913",
    "booking_number": "2026-5512",
    "shipper": "Sundar Textiles Pvt Ltd",
    "consignee": "Maison Verrier SARL",
    "notify_party": "Transit Rhône SAS",
    "vessel": "Coral Meridian",
    "voyage": "114N",
    "port_of_loading": "Chennai",
    "port_of_discharge": "Marseille",
    "place_of_delivery": "Lyon",
    "freight": "collect",
    "issue_date": "2026-11-02",
    "containers": [
        {
            "container_number": "TXGU5520914",
            "seal_number": "IN40771",
            "packages": 268,
            "description": "Cotton fabric in rolls",
            "gross_weight": 15310.0,
        },
    ],
    "total_weight": 15310.0,
}

_COLUMNS = (
    Column("Container no.", 95),
    Column("Seal no.", 70),
    Column("Packages", 65, Align.RIGHT),
    Column("Description of goods", 158),
    Column("Gross weight (kg)", 95, Align.RIGHT),
)


def carrier() -> bytes:
    """Draw the first bill: everything in boxes, containers in a grid."""
    sheet = Sheet()
    sheet.text(MARGIN, 58, "BILL OF LADING", Style(18, "hebo"))
    sheet.text(sheet.width - MARGIN, 52, "North Sea Lines", Style(12, "hebo"), Align.RIGHT)
    sheet.text(sheet.width - MARGIN, 65, "for combined transport", SMALL, Align.RIGHT)
    boxes = (
        (0, 80, 241, 70, "Shipper", "Alentejo Cork SA\nRua da Estação 12\n7800 Beja, Portugal"),
        (242, 80, 120, 34, "B/L number", "NSLU2604471"),
        (363, 80, 120, 34, "Booking no.", "BK-118204"),
        (242, 115, 241, 35, "Freight", "Prepaid"),
        (0, 151, 241, 70, "Consignee", "Pacific Flooring Inc.\n88 Harbor Way\nSacramento, CA 95814"),
        (242, 151, 241, 70, "Notify party", "Gateway Customs Brokers\n1 Terminal Square\nOakland, CA 94607"),
        (0, 222, 160, 34, "Vessel", "MV Astrid Horizon"),
        (161, 222, 80, 34, "Voyage no.", "026W"),
        (242, 222, 241, 34, "Port of loading", "Sines"),
        (0, 257, 241, 34, "Port of discharge", "Oakland"),
        (242, 257, 241, 34, "Place of delivery", "Sacramento"),
    )
    for x, y, width, height, label, value in boxes:
        sheet.box(MARGIN + x, y, width, height, label, value)
    bottom = sheet.table(MARGIN, 306, _COLUMNS, _rows(CARRIER), Rules.GRID, step=24, size=8.5)
    sheet.text(MARGIN + 290, bottom + 22, "Total gross weight", BOLD)
    sheet.text(MARGIN + 478, bottom + 22, "21,270.50", BOLD, Align.RIGHT)
    sheet.box(MARGIN, 700, 241, 34, "Date of issue", "19 March 2026")
    sheet.box(MARGIN + 242, 700, 241, 34, "Signed for the carrier", "L. Brandão")
    sheet.text(MARGIN, 790, "Particulars as declared by the shipper. One of three originals.", SMALL)
    return sheet.pdf()


def forwarder() -> bytes:
    """Draw the second bill: parties beside each other, facts line by line."""
    sheet = Sheet()
    sheet.text(MARGIN, 60, "House bill of lading", Style(16, "tibo"))
    parties = (
        ("Shipper", ["Sundar Textiles Pvt Ltd", "44 Mount Road", "Chennai 600002, India"]),
        ("Consignee", ["Maison Verrier SARL", "9 rue des Tisserands", "69001 Lyon, France"]),
        ("Notify party", ["Transit Rhône SAS", "Quai 14", "13002 Marseille, France"]),
    )
    for number, (label, address) in enumerate(parties):
        sheet.text(MARGIN + 165 * number, 90, label, Style(9, "hebo"))
        sheet.lines(MARGIN + 165 * number, 105, address, Style(9))
    left = [
        ("Bill of lading number:", "HBL-70913"),
        ("Booking number:", "2026-5512"),
        ("Ocean vessel:", "Coral Meridian"),
        ("Voyage:", "114N"),
    ]
    right = [
        ("Port of loading:", "Chennai"),
        ("Port of discharge:", "Marseille"),
        ("Place of delivery:", "Lyon"),
        ("Freight payable:", "Collect"),
    ]
    sheet.pairs(MARGIN, 170, left, gap=115)
    sheet.pairs(320, 170, right, gap=105)
    bottom = sheet.table(MARGIN, 256, _COLUMNS, _rows(FORWARDER), Rules.LINES, step=22, size=8.5)
    sheet.pairs(MARGIN, bottom + 30, [("Total weight:", "15,310.00"), ("Date of issue:", "2 November 2026")])
    return sheet.pdf()


def _rows(bill: dict[str, Any]) -> list[list[str]]:
    return [
        [
            container["container_number"],
            container["seal_number"],
            f"{container['packages']}",
            container["description"],
            f"{container['gross_weight']:,.2f}",
        ]
        for container in bill["containers"]
    ]
