"""Read documents: bytes and a specification in, a cited result out.

A pure library. It knows nothing of databases, queues, the web or settings; everything that it
needs arrives as an argument, and everything that it finds leaves as a value of `result`.
"""
