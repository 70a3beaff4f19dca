"""Jobs: their life, their tasks, and the use cases that cross the other aggregates."""
