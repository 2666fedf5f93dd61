// The ExecutorRuntime layer: see docs/architecture.md.
