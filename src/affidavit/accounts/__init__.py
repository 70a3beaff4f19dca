"""Who may do what: environments, API keys and usage."""
