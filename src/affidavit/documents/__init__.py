"""The bytes that we were given, the pages that were read from them, and who still needs them."""
