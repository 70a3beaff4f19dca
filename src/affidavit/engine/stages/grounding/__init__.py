"""Find where values stand among the words: by letters, as numbers and dates, and over misread letters."""
