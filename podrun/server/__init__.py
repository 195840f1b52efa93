"""The HTTP face of the kubelet: Kubernetes' REST paths on a unix socket."""
