"""The stack's Pulumi program, run by the tests: captured without an engine, or created on one for real."""
