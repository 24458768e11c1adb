"""What `make up`, `make down`, `make logs` and the others run on this machine: `python -m tools.stack --help`.

The stack itself is infra/; this package calls the Pulumi CLI and the Docker CLI for people, keeps what belongs to this
machine in var/stack, and refuses in one line what cannot work.
"""
