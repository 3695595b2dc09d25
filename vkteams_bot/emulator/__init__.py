"""A Bot API server in memory: the world, its HTTP face, its faults (docs/emulator.md)."""
