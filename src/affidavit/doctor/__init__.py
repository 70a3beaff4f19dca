"""Look at what this installation stands on, and say of each thing whether it is as it should be."""
