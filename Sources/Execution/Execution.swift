// The Execution layer: see docs/architecture.md.
