"""Objects in SQLite: wishes, status and events under one resourceVersion, and a watch feed over them."""
