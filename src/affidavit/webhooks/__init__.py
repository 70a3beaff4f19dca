"""Webhooks: where they go, what is owed, what was tried, and the sender that tries."""
