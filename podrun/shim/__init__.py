"""One shim per pod: parent of everything in it, without policy. The fork server makes shims in milliseconds."""
