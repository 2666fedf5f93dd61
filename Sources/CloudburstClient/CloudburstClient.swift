// The CloudburstClient layer: see docs/architecture.md.
