"""Bundles of evidence: what was sealed, who did what with it, and the log of all of it."""
