// The DevCluster layer: see docs/architecture.md.
