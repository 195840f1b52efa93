"""The thin clients of the kubelet's API: one file per verb. The only place that prints and exits."""
