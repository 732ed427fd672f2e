"""The Open Inference Protocol: bytes and tensors."""
