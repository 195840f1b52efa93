"""What a cluster's controller manager does, as far as one machine needs it: claims, namespaces, service accounts."""
