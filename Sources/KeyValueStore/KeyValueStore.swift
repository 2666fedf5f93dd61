// The KeyValueStore layer: see docs/architecture.md.
