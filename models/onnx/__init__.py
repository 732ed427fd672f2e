"""Torch to one ONNX graph, with its parity proof."""
