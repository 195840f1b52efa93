"""What Kubernetes calls things: typed objects, strict parsing, defaults, validation, printing tables."""
