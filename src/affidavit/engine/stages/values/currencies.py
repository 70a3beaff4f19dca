"""Currencies as documents write them: ISO 4217 codes and signs."""

from __future__ import annotations

_CODES = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HRK HUF IDR ILS INR ISK JPY KES "
    "KRW KWD MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH "
    "USD UYU VND ZAR"
)
CURRENCY_CODES = frozenset(_CODES.split())

# A sign that several countries use stands for the one that writes it without a letter before it.
CURRENCY_SYMBOLS = {
    "€": "EUR",
    "$": "USD",
    "US$": "USD",
    "A$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "HK$": "HKD",
    "NZ$": "NZD",
    "R$": "BRL",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₺": "TRY",
    "₽": "RUB",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "zł": "PLN",
    "Kč": "CZK",
    "SFr.": "CHF",
    "Fr.": "CHF",
    "Euro": "EUR",
    "Rs.": "INR",
}
