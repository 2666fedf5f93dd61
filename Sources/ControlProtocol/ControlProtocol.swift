// The ControlProtocol layer: see docs/architecture.md.
