"""Read typed values out of text: numbers, dates, codes."""
