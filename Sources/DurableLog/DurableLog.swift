// The DurableLog layer: see docs/architecture.md.
