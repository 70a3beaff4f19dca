"""Questions and claims with known answers, over documents that are made here."""
