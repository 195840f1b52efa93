"""podrun runs Kubernetes pods on one Linux machine, with no cluster and no Docker."""

__version__ = "0.1.0"
