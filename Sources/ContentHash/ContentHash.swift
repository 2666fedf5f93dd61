// The ContentHash layer: see docs/architecture.md.
