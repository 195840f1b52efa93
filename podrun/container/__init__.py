"""From a resolved LaunchPlan to a running program: namespaces, root filesystem, identity, exec."""
