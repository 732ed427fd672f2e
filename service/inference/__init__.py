"""A row's way through the model: preprocess, queue, engine, decision."""
