"""What `./run` and `./test` do, with nothing but Python's standard library (prepare.py excepted)."""
