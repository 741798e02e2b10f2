"""What is found by trying before a training: a learning rate, a batch size."""
