"""Tables and hub data sets to rows."""
