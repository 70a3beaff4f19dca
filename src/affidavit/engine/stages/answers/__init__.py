"""Answer questions about a document from its own words, by rules: no model."""
