// The NodeRuntime layer: see docs/architecture.md.
