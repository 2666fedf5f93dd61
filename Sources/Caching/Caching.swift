// The Caching layer: see docs/architecture.md.
