"""A library that speaks cgroup v2's words on every host."""
