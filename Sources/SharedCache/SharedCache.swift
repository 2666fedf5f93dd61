// The SharedCache layer: see docs/architecture.md.
