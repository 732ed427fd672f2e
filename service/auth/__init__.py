"""Who may ask what: keys, tokens, scopes, rates. Asked by the middleware before a body is read."""
