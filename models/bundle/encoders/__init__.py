"""One item of a text, pair, table or image to arrays."""
