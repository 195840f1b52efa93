"""The Volumes block of a described pod: each kind with its own lines."""

from __future__ import annotations

from typing import Any

from podrun.cli.describe_pieces import annotation_lines, pairs

Json = dict[str, Any]


def lines(volumes: list[Json] | None) -> list[str]:
    if not volumes:
        return ["Volumes:\t<none>"]
    said = ["Volumes:"]
    for volume in volumes:
        said.append(f"  {volume['name']}:")
        said += [f"    {line}" for line in _volume(volume)]
    return said


def _volume(volume: Json) -> list[str]:
    match volume:
        case {"emptyDir": source}:
            return [
                "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)",
                f"Medium:\t{(source or {}).get('medium') or ''}",
                f"SizeLimit:\t{(source or {}).get('sizeLimit') or '<unset>'}",
            ]
        case {"hostPath": dict(source)}:
            return [
                "Type:\tHostPath (bare host directory volume)",
                f"Path:\t{source.get('path', '')}",
                f"HostPathType:\t{source.get('type') or ''}",
            ]
        case {"configMap": dict(source)}:
            return [
                "Type:\tConfigMap (a volume populated by a ConfigMap)",
                f"Name:\t{source.get('name', '')}",
                f"Optional:\t{_bool(source.get('optional'))}",
            ]
        case {"secret": dict(source)}:
            return [
                "Type:\tSecret (a volume populated by a Secret)",
                f"SecretName:\t{source.get('secretName', '')}",
                f"Optional:\t{_bool(source.get('optional'))}",
            ]
        case {"persistentVolumeClaim": dict(source)}:
            return [
                "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
                f"ClaimName:\t{source.get('claimName', '')}",
                f"ReadOnly:\t{_bool(source.get('readOnly'))}",
            ]
        case {"ephemeral": dict(source)}:
            kind = "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
            return [f"Type:\t{kind}", *_claim_template(source.get("volumeClaimTemplate") or {})]
        case {"downwardAPI": dict(source)}:
            kind = "Type:\tDownwardAPI (a volume populated by information about the pod)"
            return [kind, "Items:", *_items(source)]
        case {"projected": dict(source)}:
            kind = "Type:\tProjected (a volume that contains injected data from multiple sources)"
            return [kind, *(line for one in source.get("sources") or [] for line in _projection(one))]
        case _:
            return [f"Type:\t{next((key for key in volume if key != 'name'), '<unknown>')}"]


def _claim_template(template: Json) -> list[str]:
    """As printPersistentVolumeClaim, which indents labels and annotations twice here."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    marks = (*pairs("Labels", metadata.get("labels")), *annotation_lines(metadata.get("annotations")))
    return [
        f"StorageClass:\t{spec.get('storageClassName') or ''}",
        f"Volume:\t{spec.get('volumeName') or ''}",
        *(line.replace("\t", "\t    ") for line in marks),
        "Capacity:\t",
        "Access Modes:\t",
        *([f"VolumeMode:\t{spec['volumeMode']}"] if spec.get("volumeMode") else []),
    ]


def _items(source: Json) -> list[str]:
    said = []
    for item in source.get("items") or []:
        field, resource = item.get("fieldRef") or {}, item.get("resourceFieldRef") or {}
        said.append(f"  {field.get('fieldPath') or resource.get('resource', '')} -> {item.get('path', '')}")
    return said


def _projection(source: Json) -> list[str]:
    match source:
        case {"secret": dict(secret)}:
            return [f"SecretName:\t{secret.get('name', '')}", f"Optional:\t{_bool(secret.get('optional'))}"]
        case {"configMap": dict(config)}:
            return [f"ConfigMapName:\t{config.get('name', '')}", f"Optional:\t{_bool(config.get('optional'))}"]
        case {"serviceAccountToken": dict(token)}:
            return [f"TokenExpirationSeconds:\t{token.get('expirationSeconds') or 3600}"]
        case {"downwardAPI": _}:
            return ["DownwardAPI:\ttrue"]
        case _:
            return []


def _bool(value: object) -> str:
    return str(bool(value)).lower()
