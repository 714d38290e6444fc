"""What is in a file, as labels: one module a kind of file, one table, and a pool of Ray actors that uses it."""
