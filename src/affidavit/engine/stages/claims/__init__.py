"""Check what is claimed about a document against what it says, by rules: no model."""
