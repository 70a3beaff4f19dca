"""The stages of reading and of extraction, each a plain function over frozen values."""
