"""The container images of the stack: what each is made of, and the command that builds the local set."""
