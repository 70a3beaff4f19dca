"""Two résumés: one in sections with dates beside the entries, one whose sections are tables."""

from __future__ import annotations

from typing import Any

from affidavit.samples.sheet import BLUE, BOLD, GREY, MARGIN, Column, Rules, Sheet, Style

SECTIONS: dict[str, Any] = {
    "name": "Amara Lindqvist",
    "email": "amara.lindqvist@example.org",
    "phone": "+46 70 555 01 42",
    "city": "Malmö",
    "website": "https://lindqvist.example.org",
    "nationality": "Swedish",
    "experience": [
        {"period": "2021 - 2026", "job_title": "Lead hydrologist", "employer": "Öresund Water Authority"},
        {"period": "2017 - 2021", "job_title": "Hydrologist", "employer": "Delta Consulting AB"},
        {"period": "2015 - 2017", "job_title": "Field assistant", "employer": "Institute for Polar Studies"},
    ],
    "education": [
        {"year": "2015", "degree": "MSc Hydrology", "institution": "Uppsala University"},
        {"year": "2013", "degree": "BSc Earth Sciences", "institution": "Lund University"},
    ],
    "skills": ["Flood modelling", "GIS", "Python", "Field surveys"],
    "languages": ["Swedish", "English", "German"],
}
TABLES: dict[str, Any] = {
    "name": "Tomás Arriaga",
    "email": "tomas@bilbao-bakes.example.com",
    "phone": "+34 600 555 017",
    "city": "Bilbao",
    "website": "https://bilbao-bakes.example.com",
    "nationality": "Spanish",
    "experience": [
        {"period": "2022 - 2026", "job_title": "Head pastry chef", "employer": "Hotel Miramar"},
        {"period": "2018 - 2022", "job_title": "Pastry chef", "employer": "Casa Etxea"},
    ],
    "education": [
        {"year": "2017", "degree": "Diploma in patisserie", "institution": "Escuela del Norte"},
    ],
    "skills": ["Chocolate work", "Menu planning", "Team training"],
    "languages": ["Spanish", "Basque", "French"],
}


def sections() -> bytes:
    """Draw the first résumé: a name in large letters, dates at the left, two lines an entry."""
    sheet = Sheet()
    sheet.text(MARGIN, 74, "Amara Lindqvist", Style(24, "hebo", BLUE))
    sheet.text(MARGIN, 92, "Hydrologist", Style(11, colour=GREY))
    left = [("Email", "amara.lindqvist@example.org"), ("Phone", "+46 70 555 01 42"), ("Location", "Malmö")]
    right = [("Website", "https://lindqvist.example.org"), ("Nationality", "Swedish")]
    sheet.pairs(MARGIN, 120, left, gap=60, step=15, style=Style(9))
    sheet.pairs(320, 120, right, gap=65, step=15, style=Style(9))
    y = _head(sheet, 190, "Experience")
    for job in SECTIONS["experience"]:
        sheet.text(MARGIN, y, job["period"], Style(9, colour=GREY))
        sheet.text(MARGIN + 90, y, job["job_title"], BOLD)
        sheet.text(MARGIN + 90, y + 14, job["employer"])
        y += 40
    y = _head(sheet, y + 10, "Education")
    for school in SECTIONS["education"]:
        sheet.text(MARGIN, y, school["year"], Style(9, colour=GREY))
        sheet.text(MARGIN + 90, y, school["degree"], BOLD)
        sheet.text(MARGIN + 90, y + 14, school["institution"])
        y += 40
    y = _head(sheet, y + 10, "Skills")
    sheet.text(MARGIN, y, ", ".join(SECTIONS["skills"]))
    y = _head(sheet, y + 34, "Languages")
    sheet.text(MARGIN, y, ", ".join(SECTIONS["languages"]))
    return sheet.pdf()


def tables() -> bytes:
    """Draw the second résumé: facts line by line, sections as tables with a head."""
    sheet = Sheet()
    sheet.text(MARGIN, 66, "Curriculum vitae", Style(18, "tibo"))
    facts = [
        ("Name:", "Tomás Arriaga"),
        ("Address:", "Bilbao"),
        ("Email:", "tomas@bilbao-bakes.example.com"),
        ("Phone:", "+34 600 555 017"),
        ("Website:", "https://bilbao-bakes.example.com"),
        ("Nationality:", "Spanish"),
    ]
    y = sheet.pairs(MARGIN, 96, facts, gap=80, style=Style(10, "tiro"))
    sheet.text(MARGIN, y + 18, "Work experience", Style(12, "tibo"))
    columns = [Column("Period", 100), Column("Job title", 190), Column("Employer", 193)]
    rows = [[job["period"], job["job_title"], job["employer"]] for job in TABLES["experience"]]
    y = sheet.table(MARGIN, y + 28, columns, rows, Rules.GRID)
    sheet.text(MARGIN, y + 30, "Education", Style(12, "tibo"))
    columns = [Column("Year", 100), Column("Degree", 190), Column("Institution", 193)]
    rows = [[school["year"], school["degree"], school["institution"]] for school in TABLES["education"]]
    y = sheet.table(MARGIN, y + 40, columns, rows, Rules.GRID)
    lists = [("Skills:", ", ".join(TABLES["skills"])), ("Languages:", ", ".join(TABLES["languages"]))]
    sheet.pairs(MARGIN, y + 36, lists, gap=80, style=Style(10, "tiro"))
    return sheet.pdf()


def _head(sheet: Sheet, y: float, text: str) -> float:
    sheet.text(MARGIN, y, text, Style(12, "hebo", BLUE))
    sheet.rule(y + 5)
    return y + 26
