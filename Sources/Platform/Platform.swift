// The Platform layer: see docs/architecture.md.
