"""Models of the user's as bases: files to fitted models, models to ONNX, and the proof that both agree."""
