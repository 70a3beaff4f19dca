"""Documents that the rules were not made with: written before the rules were first run on any bench."""

# ruff: noqa: E501 - the texts are drawn as they stand

from __future__ import annotations

from answers.case import Case

LICENCE = """
# Software Licence Agreement

This agreement is concluded between Tidewater Systems Inc. (the "Licensor") and Oakfield Clinics LLC
(the "Licensee") on 12 January 2025.

## 1. Grant

The Licensor grants the Licensee a non-exclusive licence for up to 250 named users. The Licensee may not transfer
the licence to third parties.

## 2. Fees

The annual licence fee is 36,500 USD and is payable in advance by 31 January of each year. Late payments bear
interest of 8 % per year. The implementation fee is 9,800 USD.

## 3. Support

Support is available on working days from 8 am to 6 pm. The Licensor responds to critical incidents within
4 hours.

## 4. Term

The agreement starts on 1 February 2025 and has a term of 36 months. It renews for further periods of 12 months
unless one party gives notice 60 days before the end of the term.

## 5. Liability

The liability of the Licensor is limited to 100,000 USD per contract year. The Licensor is not liable for loss of
data.

## 6. Definitions

"Documentation" means the user manuals that the Licensor supplies in electronic form.

## 7. Governing law

This agreement is subject to the laws of the State of Oregon. The courts of Portland have jurisdiction.
"""

POLICY = """
# Household Insurance Policy

+ Policy number: HP-77120-3
+ Policyholder: Margaret Osei
+ Insured property: 18 Larch Avenue, Bristol
+ Inception date: 1 April 2025
+ Expiry date: 31 March 2026
+ Annual premium: GBP 412.60

## Cover

| Section | Sum insured | Excess |
| Buildings | 350,000 | 250 |
| Contents | 60,000 | 150 |
| Bicycles | 2,400 | 75 |

## Conditions

Claims must be reported within 14 days of the event. Damage by floods is not covered. The insurer pays for
temporary accommodation for at most 90 days. Jewellery is covered up to GBP 3,000 per item.

The policy may be cancelled at any time with 30 days' notice. A cancellation fee of GBP 25.00 applies.
"""

MINUTES = """
# Minutes of the General Meeting

The meeting was held on 9 May 2025 in Lisbon. It was opened by the president, Joao Ferreira, at 14:00. 47 of 62
members were present.

## Resolutions

- The accounts of 2024 were approved.
- The membership fee was raised to 120 EUR per year.
- The proposal to move the office to Porto was rejected.

## Elections

Ines Carvalho was elected treasurer for a term of two years. The secretary, Pedro Lopes, was confirmed in office.

## Budget

The budget for 2025 amounts to 85,000 EUR. 12,000 EUR are set aside for the renovation of the library. The next
meeting takes place on 15 May 2026.
"""

MIETVERTRAG = """
# Mietvertrag

Zwischen Frau Sabine Richter (Vermieterin) und Herrn Emre Aydin (Mieter) wird folgender Vertrag geschlossen.

## 1. Mietsache

Vermietet wird die Wohnung im zweiten Obergeschoss, Gartenstrasse 7, 76133 Karlsruhe. Die Wohnfläche beträgt 68
Quadratmeter.

## 2. Mietzeit

Das Mietverhältnis beginnt am 01.10.2025 und läuft auf unbestimmte Zeit. Die Kündigungsfrist beträgt drei Monate.

## 3. Miete

Die Miete beträgt monatlich 890,00 EUR. Die Vorauszahlung für Betriebskosten beträgt 210,00 EUR. Die Kaution
beträgt 2.670,00 EUR und ist in drei Raten zu zahlen.

## 4. Tiere

Die Haltung von Hunden ist nicht gestattet. Kleintiere sind erlaubt.
"""

COMMANDE = """
# Bon de commande

+ Commande n°: BC-4471
+ Date de commande: 22/04/2025
+ Fournisseur: Atelier Moreau SARL
+ Date de livraison: 16/05/2025

| Article | Quantité | Prix unitaire | Montant |
| Chaise en chêne | 24 | 79,00 | 1 896,00 |
| Table ronde | 6 | 240,00 | 1 440,00 |
| Banc de jardin | 3 | 155,00 | 465,00 |

+ Total HT: 3 801,00 EUR
+ TVA 20 %: 760,20 EUR
+ Total TTC: 4 561,20 EUR

Les frais de transport sont à la charge du fournisseur. La garantie est de 24 mois.
"""

CASES: tuple[Case, ...] = (
    Case(
        "licence",
        LICENCE,
        questions=(
            ("Who is the licensor?", "Tidewater Systems Inc."),
            ("Who is the licensee?", "Oakfield Clinics LLC"),
            ("How much is the annual licence fee?", "36,500 USD"),
            ("What is the implementation fee?", "9,800 USD"),
            ("What interest do late payments bear?", "8 %"),
            ("How many named users are allowed?", "250"),
            ("When does the agreement start?", "1 February 2025"),
            ("What is the term of the agreement?", "36 months"),
            ("How quickly must critical incidents be answered?", "4 hours"),
            ("What is the liability limited to?", "100,000 USD"),
            ("What does Documentation mean?", "user manuals"),
            ("Which law applies?", "Oregon"),
            ("Is the licence transferable?", None),
            ("Who is the data protection officer?", None),
            ("What is the price of training?", None),
            ("When was the software released?", None),
        ),
        claims=(
            ("The annual licence fee is 36,500 USD.", "supported"),
            ("The annual licence fee is 36,500 EUR.", "contradicted"),
            ("The implementation fee is 36,500 USD.", "contradicted"),
            ("The training fee is 9,800 USD.", "not_found"),
            ("Critical incidents are answered within 4 hours.", "supported"),
            ("The licensor responds to critical incidents within 4 days.", "contradicted"),
            ("The licensee may transfer the licence to third parties.", "contradicted"),
            ("The licensor is not liable for loss of data.", "supported"),
            ("The licensor is liable for loss of data.", "contradicted"),
            ("The agreement starts in February 2025.", "supported"),
            ("The agreement starts on 12 January 2025.", "contradicted"),
            ("The source code is held in escrow.", "not_found"),
            ("The term is at least 24 months.", "supported"),
        ),
    ),
    Case(
        "policy",
        POLICY,
        questions=(
            ("What is the policy number?", "HP-77120-3"),
            ("Who is the policyholder?", "Margaret Osei"),
            ("When does the policy expire?", "31 March 2026"),
            ("How much is the annual premium?", "GBP 412.60"),
            ("What is the excess for contents?", "150"),
            ("What is the sum insured for buildings?", "350,000"),
            ("Within how many days must claims be reported?", "14 days"),
            ("How much is the cancellation fee?", "GBP 25.00"),
            ("Is damage by floods covered?", "no"),
            ("What is the address of the insured property?", "18 Larch Avenue, Bristol"),
            ("What is the no-claims discount?", None),
            ("Who is the broker?", None),
            ("What is the excess for caravans?", None),
        ),
        claims=(
            ("The annual premium is GBP 412.60.", "supported"),
            ("The annual premium is GBP 421.60.", "contradicted"),
            ("Damage by floods is covered.", "contradicted"),
            ("The excess for bicycles is 75.", "supported"),
            ("The excess for buildings is 75.", "contradicted"),
            ("Claims must be reported within 30 days.", "contradicted"),
            ("Damage by fire is covered.", "not_found"),
            ("The excess for caravans is 250.", "not_found"),
            ("The policyholder is Margaret Osei.", "supported"),
            ("The policyholder is Daniel Price.", "contradicted"),
        ),
    ),
    Case(
        "minutes",
        MINUTES,
        questions=(
            ("When was the meeting held?", "9 May 2025"),
            ("Who is the president?", "Joao Ferreira"),
            ("Who was elected treasurer?", "Ines Carvalho"),
            ("How many members were present?", "47"),
            ("How high is the membership fee?", "120 EUR"),
            ("What is the budget for 2025?", "85,000 EUR"),
            ("When is the next meeting?", "15 May 2026"),
            ("Who is the secretary?", "Pedro Lopes"),
            ("Who is the auditor?", None),
            ("What was the deficit?", None),
        ),
        claims=(
            ("The membership fee was raised to 120 EUR per year.", "supported"),
            ("The membership fee was raised to 150 EUR per year.", "contradicted"),
            ("The proposal to move the office to Porto was approved.", "contradicted"),
            ("The budget for 2025 amounts to 85,000 EUR.", "supported"),
            ("The budget for 2024 amounts to 85,000 EUR.", "not_found"),
            ("47 members were present.", "supported"),
            ("Ines Carvalho was elected president.", "not_found"),
            ("The meeting was held before June 2025.", "supported"),
        ),
    ),
    Case(
        "mietvertrag",
        MIETVERTRAG,
        questions=(
            ("Wer ist der Mieter?", "Emre Aydin"),
            ("Wer ist die Vermieterin?", "Sabine Richter"),
            ("Wie hoch ist die Miete?", "890,00 EUR"),
            ("Wie hoch ist die Kaution?", "2.670,00 EUR"),
            ("Wann beginnt das Mietverhältnis?", "01.10.2025"),
            ("Wie lang ist die Kündigungsfrist?", "drei Monate"),
            ("What is the monthly rent?", "890,00 EUR"),
            ("Sind Hunde gestattet?", "no"),
            ("Wie hoch ist die Maklerprovision?", None),
            ("Wann wurde das Haus gebaut?", None),
        ),
        claims=(
            ("Die Miete beträgt 890,00 EUR.", "supported"),
            ("Die Miete beträgt 980,00 EUR.", "contradicted"),
            ("Die Kündigungsfrist beträgt drei Monate.", "supported"),
            ("Die Kündigungsfrist beträgt sechs Monate.", "contradicted"),
            ("Die Haltung von Hunden ist gestattet.", "contradicted"),
            ("Kleintiere sind erlaubt.", "supported"),
            ("Die Heizkosten betragen 210,00 EUR.", "not_found"),
        ),
    ),
    Case(
        "commande",
        COMMANDE,
        questions=(
            ("Quel est le numéro de commande?", "BC-4471"),
            ("Qui est le fournisseur?", "Atelier Moreau SARL"),
            ("Quel est le montant total TTC?", "4 561,20 EUR"),
            ("Quelle est la date de livraison?", "16/05/2025"),
            ("What is the unit price of the Table ronde?", "240,00"),
            ("Combien de temps dure la garantie?", "24 mois"),
            ("How much VAT is charged?", "760,20 EUR"),
            ("Qui est le transporteur?", None),
            ("Quelle est la date de naissance?", None),
        ),
        claims=(
            ("Le total TTC est de 4 561,20 EUR.", "supported"),
            ("Le total TTC est de 4 651,20 EUR.", "contradicted"),
            ("The delivery date is 16 May 2025.", "supported"),
            ("The delivery date is 22 April 2025.", "contradicted"),
            ("La garantie est de 24 mois.", "supported"),
            ("La remise est de 20 %.", "not_found"),
        ),
    ),
)
