"""The process that holds a pod's namespaces: it leaves everything else behind, holds, and reaps. It knows no pods."""
