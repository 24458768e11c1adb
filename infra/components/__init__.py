"""The parts of the stack, one a file. Each takes typed arguments only, so another Pulumi program can use it."""
