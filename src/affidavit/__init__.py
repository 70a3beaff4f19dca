"""Durable, self-hosted document extraction whose every value cites the page."""
