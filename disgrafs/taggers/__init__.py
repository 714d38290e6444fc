"""Labels files by content: one module per kind of file, a table of them, and a pool of Ray actors that runs them."""
