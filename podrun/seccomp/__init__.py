"""seccomp profiles in the OCI form, podrun's own default one, and their way into a BPF program. Knows no containers."""
