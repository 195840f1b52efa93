"""The brain: pure files decide (lives, status, planner), the others act (workers, shims, images, wiring)."""
