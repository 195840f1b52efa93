"""Images: references, one OCI layout, unpacked layers, container snapshots."""
