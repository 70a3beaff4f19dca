"""The parts of the bench of accuracy: truth, copies, reading, scoring, grounding, peers and the report."""
