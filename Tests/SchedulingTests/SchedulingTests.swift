// Tests are sentences: see docs/testing.md.
