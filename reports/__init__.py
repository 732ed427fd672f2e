"""Reports of a period, from the record of decisions."""
