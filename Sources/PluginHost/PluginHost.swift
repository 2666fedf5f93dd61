// The PluginHost layer: see docs/architecture.md.
