"""What operations take and show. Light: pydantic and the engine's own values, no reader of documents."""
