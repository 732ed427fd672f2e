"""Files to rows: the one reader of tables, which every command uses, and what a cell means."""
