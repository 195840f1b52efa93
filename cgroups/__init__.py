"""Control groups in cgroup v2's words, on v2 and on hybrid hosts whose controllers still sit on v1.

Knows nothing of containers.

`hierarchies` finds the controllers, `group` makes, limits, kills and removes one group, `limits` holds the numbers
and Kubernetes' formulas, `devices` who may open which, `stats` the figures, `events` the wake-ups, `delegation` the
place of our tree under systemd.
"""
