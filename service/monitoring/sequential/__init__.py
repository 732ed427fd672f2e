"""Sequential evidence: e-processes that one process reads from the record."""
