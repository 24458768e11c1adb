"""Payment providers: what is asked of one, the sandbox, and the sweep that finds out what one left open."""
