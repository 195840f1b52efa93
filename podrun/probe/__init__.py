"""Asking a container over the network whether it is well: HTTP, TCP and gRPC, in the words of Kubernetes' pkg/probe."""
