"""The documents that the rules were made with. Figures on them say nothing about others."""

# ruff: noqa: E501 - the texts are drawn as they stand

from __future__ import annotations

from answers.case import Case

EMPLOYMENT = """
# Employment Agreement

This agreement is made between Brightwater Analytics Ltd (the "Employer") and Maria Keller (the "Employee").

## 1. Start and probation

The employment begins on 1 September 2025. The first six months are a probation period.

## 2. Remuneration

The Employee receives an annual gross salary of 64,000 EUR, paid in twelve monthly instalments. A signing bonus of
2,500 EUR is paid with the first salary.

## 3. Working time

The regular working time is 38 hours per week. Overtime is not paid but compensated by time off.

## 4. Leave

The Employee is entitled to 28 days of paid leave per calendar year.

## 5. Termination

After the probation period either party may terminate the agreement with a notice period of three months to the
end of a quarter. During the probation period the notice period is two weeks.

## 6. Confidentiality

"Confidential Information" means all business and technical knowledge that is not public. The duty of
confidentiality ends five years after the employment has ended.

## 7. Law

This agreement is governed by the laws of Ireland. Amendments must be made in writing.
"""

REPORT = """
# Annual Report 2024

## Highlights

Revenue rose by 12.5 % to 48.2 million EUR in 2024. Net profit was 5.1 million EUR, after 4.4 million EUR in 2023.
The company employed 312 people at the end of the year. The board proposes a dividend of 0.85 EUR per share.

## Segments

| Segment | Revenue 2024 | Revenue 2023 | Employees |
| Pumps | 21,400 | 19,100 | 140 |
| Valves | 15,300 | 14,200 | 98 |
| Services | 11,500 | 9,500 | 74 |

All figures in thousand EUR.

## Outlook

The company expects revenue between 50 and 52 million EUR in 2025. Capital expenditure will not exceed 6 million
EUR. The new plant in Gdansk opens in June 2025.

## Board

+ Chair: Helena Novak
+ Chief financial officer: Tomas Lindqvist
+ Auditor: Kessler and Partners GmbH
"""

RECHNUNG = """
# Rechnung

+ Rechnungsnummer: RE-2025-118
+ Rechnungsdatum: 03.02.2025
+ Kundennummer: K-20441
+ Zahlbar bis: 05.03.2025

| Beschreibung | Menge | Einzelpreis | Betrag |
| Beratung vor Ort | 6 | 110,00 | 660,00 |
| Reisekosten | 1 | 84,50 | 84,50 |

+ Nettobetrag: 744,50 EUR
+ MwSt. 19 %: 141,46 EUR
+ Gesamtbetrag: 885,96 EUR

Bei Zahlung innerhalb von 10 Tagen gewähren wir 2 % Skonto. IBAN: DE89 3704 0044 0532 0130 00
"""

CONSULTING = """
# Consulting Agreement

Between Alder & Finch Consulting LLP (the "Consultant") and Norra Retail AB (the "Client") the following is agreed.

## 1. Services

The Consultant answers requests of the Client within 2 days. The Consultant may not subcontract the services.

## 2. Fees

The day rate is 900 EUR. Travel time is not paid. Invoices are payable within 21 days. Overdue amounts bear
interest of 5 % per year.

## 3. Term

The agreement starts on 3 March 2025 and runs for 18 months. It ends automatically.

## 4. Meeting

19 of 25 shareholders attended. Laura Stein was appointed managing director. The auditor, Piet Vos, was confirmed.
"""

ARBEIT = """
# Arbeitsvertrag

Zwischen der Lindner Technik GmbH (Arbeitgeberin) und Frau Julia Brandt (Arbeitnehmerin) wird vereinbart:

Das Gehalt beträgt monatlich 4.200,00 EUR brutto. Der Urlaubsanspruch beträgt 30 Tage. Die Gewährleistung beträgt
zwei Jahre. Das Rauchen ist nicht erlaubt.
"""

CASES = (
    Case(
        "consulting",
        CONSULTING,
        questions=(
            ("How fast must requests be answered?", "2 days"),
            ("How high is the day rate?", "900 EUR"),
            ("Is travel time paid?", "no"),
            ("When are invoices payable?", "21 days"),
            ("What interest do overdue amounts bear?", "5 %"),
            ("What is the duration of the contract?", "18 months"),
            ("How many shareholders attended?", "19"),
            ("Who was appointed managing director?", "Laura Stein"),
            ("Who is the consultant?", "Alder & Finch Consulting LLP"),
            ("Can the consultant subcontract the services?", "no"),
            ("What is the retainer?", None),
            ("Who is the project manager?", None),
        ),
        claims=(
            ("Travel time is paid.", "contradicted"),
            ("The day rate is 900 EUR.", "supported"),
            ("The night rate is 900 EUR.", "not_found"),
        ),
    ),
    Case(
        "arbeit",
        ARBEIT,
        questions=(
            ("Wer ist die Arbeitgeberin?", "Lindner Technik GmbH"),
            ("Wie viele Tage Urlaub gibt es?", "30 Tage"),
            ("Wie lang ist die Gewährleistung?", "zwei Jahre"),
            ("What is the monthly salary?", "4.200,00 EUR"),
            ("Ist das Rauchen erlaubt?", "no"),
            ("Wie hoch ist der Bonus?", None),
        ),
        claims=(
            ("Das Rauchen ist erlaubt.", "contradicted"),
            ("Das Gehalt beträgt 4.200,00 EUR.", "supported"),
            ("Der Bonus beträgt 4.200,00 EUR.", "not_found"),
        ),
    ),
    Case(
        "employment",
        EMPLOYMENT,
        questions=(
            ("Who is the employer?", "Brightwater Analytics Ltd"),
            ("Who is the employee?", "Maria Keller"),
            ("When does the employment start?", "1 September 2025"),
            ("What is the annual salary?", "64,000 EUR"),
            ("How much is the signing bonus?", "2,500 EUR"),
            ("How many hours per week does the employee work?", "38 hours"),
            ("How many days of leave are there?", "28 days"),
            ("How long is the probation period?", "six months"),
            ("What is the notice period after probation?", "three months"),
            ("What does Confidential Information mean?", "all business and technical knowledge"),
            ("Which law governs the agreement?", "Ireland"),
            ("Is overtime paid?", "no"),
            ("What is the company car allowance?", None),
            ("Who is the works council chair?", None),
            ("What is the employee's date of birth?", None),
            ("How much is the pension contribution?", None),
        ),
        claims=(
            ("The annual salary is 64,000 EUR.", "supported"),
            ("The annual salary is 46,000 EUR.", "contradicted"),
            ("The signing bonus is 64,000 EUR.", "contradicted"),
            ("The employee gets more than 25 days of paid leave.", "supported"),
            ("The employee gets 30 days of paid leave.", "contradicted"),
            ("Overtime is paid.", "contradicted"),
            ("Overtime is not paid.", "supported"),
            ("The agreement is governed by the laws of Ireland.", "supported"),
            ("The agreement is governed by the laws of Scotland.", "contradicted"),
            ("The employment begins in 2026.", "contradicted"),
            ("The pension contribution is 2,500 EUR.", "not_found"),
            ("The employee may work from home.", "not_found"),
            ("The travel allowance is 28 EUR.", "not_found"),
        ),
    ),
    Case(
        "report",
        REPORT,
        questions=(
            ("What was the revenue in 2024?", "48.2 million EUR"),
            ("How many people were employed?", "312"),
            ("What was the net profit in 2023?", "4.4 million EUR"),
            ("What dividend is proposed?", "0.85 EUR"),
            ("What was the revenue of Valves in 2023?", "14,200"),
            ("How many employees does Services have?", "74"),
            ("When does the plant in Gdansk open?", "June 2025"),
            ("Who is the chair?", "Helena Novak"),
            ("Who is the auditor?", "Kessler and Partners GmbH"),
            ("What was the revenue in 2019?", None),
            ("Who is the chief executive officer?", None),
            ("How much did the company spend on research?", None),
        ),
        claims=(
            ("Revenue in 2024 was 48.2 million EUR.", "supported"),
            ("Net profit in 2024 was 4.4 million EUR.", "contradicted"),
            ("The company employed 312 people.", "supported"),
            ("The company employed fewer than 300 people.", "contradicted"),
            ("The proposed dividend is 0.85 EUR per share.", "supported"),
            ("The proposed dividend is 0.95 EUR per share.", "contradicted"),
            ("The revenue of Pumps in 2024 was 21,400.", "supported"),
            ("The revenue of Pumps in 2023 was 21,400.", "contradicted"),
            ("The chair is Helena Novak.", "supported"),
            ("The chair is Tomas Lindqvist.", "contradicted"),
            ("Revenue in 2018 was 48.2 million EUR.", "not_found"),
            ("Research spending was 5.1 million EUR.", "not_found"),
        ),
    ),
    Case(
        "rechnung",
        RECHNUNG,
        questions=(
            ("Wie lautet die Rechnungsnummer?", "RE-2025-118"),
            ("Wie hoch ist der Gesamtbetrag?", "885,96 EUR"),
            ("Wann ist die Rechnung fällig?", "05.03.2025"),
            ("What is the customer number?", "K-20441"),
            ("What is the net amount?", "744,50 EUR"),
            ("Wie viel kosten die Reisekosten?", "84,50"),
            ("Wie hoch ist das Skonto?", "2 %"),
            ("What is the IBAN?", "DE89 3704 0044 0532 0130 00"),
            ("Wer ist der Geschäftsführer?", None),
            ("What is the delivery date?", None),
        ),
        claims=(
            ("Der Gesamtbetrag beträgt 885,96 EUR.", "supported"),
            ("Der Gesamtbetrag beträgt 785,96 EUR.", "contradicted"),
            ("The invoice total is less than 1000 EUR.", "supported"),
            ("Das Lieferdatum ist der 03.02.2025.", "not_found"),
            ("Die Rechnung ist am 05.03.2025 zahlbar.", "supported"),
            ("Die Rechnung ist am 15.03.2025 zahlbar.", "contradicted"),
        ),
    ),
)
