"""A gateway that exists only on this machine: strict about the contract, and wicked when told to be.

Imported by `manage.py simulate_gateway` and by its own tests, never by the service: to Vestnik it is an
address like any other. Read `server.py` first.
"""
