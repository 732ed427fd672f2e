"""Files to rows: the one reader of tables, and what a cell means. Every command that reads a table uses it."""
