"""HTTP: protocol, limits of bodies, middleware, schemas and the shape of errors."""
