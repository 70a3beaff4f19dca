"""The bundle as a format: written and checked with the standard library and `cryptography` alone."""
