"""Side by side with crun, runc and podman: the same static program, the same files, alternating runs, medians, ratios."""
