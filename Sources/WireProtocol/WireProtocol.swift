// The WireProtocol layer: see docs/architecture.md.
