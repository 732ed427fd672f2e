"""The stages of a row: preprocess, queue, engine, decision."""
