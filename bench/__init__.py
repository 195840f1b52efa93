"""Side by side with crun, runc and podman: the same program, the same files, alternating runs, medians, ratios."""
