"""What another server's requests and replies look like: places in a JSON text, tensors of the OIP."""
