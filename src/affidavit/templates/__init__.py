"""Named, versioned schemas with options, those of an environment and those that come with the package."""
