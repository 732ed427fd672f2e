"""``POST /decisions``: decisions that other systems made, read, checked and recorded."""
