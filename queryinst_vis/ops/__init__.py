"""Pure functions on tensors and arrays: boxes, mask pasting, run-length codes, resizing."""
