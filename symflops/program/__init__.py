"""What a model does in one call, step by step, without PyTorch: tensors, steps, blocks of them, and what they hold."""
