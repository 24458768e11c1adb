"""The Pulumi program, captured without an engine: what must hold for every container, and what must wait for what."""
