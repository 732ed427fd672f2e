"""Authentication and authorisation: keys, tokens, scopes, rates. Checked before a body is read."""
