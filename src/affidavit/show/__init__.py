"""The page of a bundle: what was cited, where it stands, and what the checks say, in one HTML file."""
