"""Images from registries: who may ask, how skopeo is told, what becomes of what it brings."""
