"""The outside world: database, blobs, broker, network, child processes. No business words."""
