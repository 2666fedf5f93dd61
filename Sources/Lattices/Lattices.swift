// The Lattices layer: see docs/architecture.md.
