// The ZeroMQ layer: see docs/architecture.md.
