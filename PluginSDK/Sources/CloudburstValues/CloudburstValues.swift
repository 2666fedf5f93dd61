// See docs/plugin-abi.md.
