"""Results as MRML nodes, and what is shown of them."""
