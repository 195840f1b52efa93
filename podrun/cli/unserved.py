"""What kubectl can do and podrun can't, and what to do instead: said with the error about an unknown command."""

from __future__ import annotations

PODS_ALONE = "podrun runs Pods alone, and has no Deployments or other kinds that make them"
NO_SERVICES = "podrun has no Services: a pod is reached at its address, by podrun port-forward or a hostPort"
NO_USERS = "podrun has no users and roles: who may write to its socket, root, may do everything"

COMMANDS = {
    "auth": NO_USERS,
    "autoscale": PODS_ALONE,
    "certificate": NO_USERS,
    "cluster-info": "podrun system info",
    "config": "podrun needs no kubeconfig: 'podrun options' lists the settings, which are in the environment",
    "drain": "podrun cordon NODE, then podrun delete pods -A --all",
    "expose": NO_SERVICES,
    "kustomize": "kustomize build DIR | podrun apply -f -",
    "plugin": "podrun has no plugins",
    "proxy": "curl --unix-socket /run/podrun/podrun.sock http://podrun/api/v1/pods",
    "rollout": PODS_ALONE,
    "scale": PODS_ALONE,
    "set": "podrun edit, podrun patch and podrun apply change fields: the images of a running pod, and its resources",
}
"""By kubectl's verb."""

CREATED = {
    **dict.fromkeys(("cronjob", "deployment", "job"), f"{PODS_ALONE}: podrun run NAME --image=IMAGE"),
    **dict.fromkeys(("ingress", "service", "svc"), NO_SERVICES),
    **dict.fromkeys(("clusterrole", "clusterrolebinding", "role", "rolebinding", "token"), NO_USERS),
    "pod": "podrun run NAME --image=IMAGE",
}
"""By what follows `create`."""
