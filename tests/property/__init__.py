"""Properties of the kernel that hold for every market and every legal sequence of actions."""
