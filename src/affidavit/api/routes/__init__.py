"""The routes, each handler in three steps: parse, call, render."""
