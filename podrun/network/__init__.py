"""Pod network: bridge, addresses, veth links, masquerade, resolv.conf and hosts."""
