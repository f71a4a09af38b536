"""What the package asks of cupyx."""
