"""The native HTTP API: routes, wire models, the table of errors, limits, health."""
