"""The stack as it ships, on a real engine: the program of infra/, created through tests.support.stack."""
