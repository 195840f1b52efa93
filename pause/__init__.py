"""The process that holds a pod's namespaces."""
