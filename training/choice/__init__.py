"""Which settings are chosen, and the certificate of the choice."""
