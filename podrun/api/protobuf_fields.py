"""Numbers of fields in Kubernetes' protobuf messages (generated.proto of core/v1 and meta/v1, Kubernetes 1.33).

The first word is field 1. `-` is a number that is not in use here; `@Name` a message whose fields stand in JSON among
those of the one that holds it. Status is left out, since nobody sends it.
"""

from __future__ import annotations

FIELDS = {
    "Affinity": "nodeAffinity podAffinity podAntiAffinity",
    "AppArmorProfile": "type localhostProfile",
    "CSIVolumeSource": "driver readOnly fsType volumeAttributes nodePublishSecretRef",
    "Capabilities": "add drop",
    "ClusterTrustBundleProjection": "name signerName labelSelector path optional",
    "ConfigMap": "metadata data binaryData immutable",
    "ConfigMapEnvSource": "@LocalObjectReference optional",
    "ConfigMapKeySelector": "@LocalObjectReference key optional",
    "ConfigMapProjection": "@LocalObjectReference items - optional",
    "ConfigMapVolumeSource": "@LocalObjectReference items defaultMode optional",
    "Container": (
        "name image command args workingDir ports env resources volumeMounts livenessProbe readinessProbe lifecycle "
        "terminationMessagePath imagePullPolicy securityContext stdin stdinOnce tty envFrom terminationMessagePolicy "
        "volumeDevices startupProbe resizePolicy restartPolicy"
    ),
    "ContainerPort": "name hostPort containerPort protocol hostIP",
    "ContainerResizePolicy": "resourceName restartPolicy",
    "DeleteOptions": (
        "gracePeriodSeconds preconditions orphanDependents propagationPolicy dryRun "
        "ignoreStoreReadErrorWithClusterBreakingPotential"
    ),
    "DownwardAPIProjection": "items",
    "DownwardAPIVolumeFile": "path fieldRef resourceFieldRef mode",
    "DownwardAPIVolumeSource": "items defaultMode",
    "EmptyDirVolumeSource": "medium sizeLimit",
    "EnvFromSource": "prefix configMapRef secretRef",
    "EnvVar": "name value valueFrom",
    "EnvVarSource": "fieldRef resourceFieldRef configMapKeyRef secretKeyRef",
    "EphemeralContainer": "@EphemeralContainerCommon targetContainerName",
    "EphemeralContainerCommon": (
        "name image command args workingDir ports env resources volumeMounts livenessProbe readinessProbe lifecycle "
        "terminationMessagePath imagePullPolicy securityContext stdin stdinOnce tty envFrom terminationMessagePolicy "
        "volumeDevices startupProbe resizePolicy restartPolicy"
    ),
    "EphemeralVolumeSource": "volumeClaimTemplate",
    "ExecAction": "command",
    "GRPCAction": "port service",
    "HTTPGetAction": "path port host scheme httpHeaders",
    "HTTPHeader": "name value",
    "HostAlias": "ip hostnames",
    "HostPathVolumeSource": "path type",
    "ISCSIVolumeSource": (
        "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery - secretRef chapAuthSession "
        "initiatorName"
    ),
    "ImageVolumeSource": "reference pullPolicy",
    "KeyToPath": "key path mode",
    "LabelSelector": "matchLabels matchExpressions",
    "LabelSelectorRequirement": "key operator values",
    "Lifecycle": "postStart preStop stopSignal",
    "LifecycleHandler": "exec httpGet tcpSocket sleep",
    "LocalObjectReference": "name",
    "LocalVolumeSource": "path fsType",
    "ManagedFieldsEntry": "manager operation apiVersion time - fieldsType fieldsV1 subresource",
    "NFSVolumeSource": "server path readOnly",
    "Namespace": "metadata spec status",
    "NamespaceSpec": "finalizers",
    "NodeAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "NodeSelector": "nodeSelectorTerms",
    "NodeSelectorRequirement": "key operator values",
    "NodeSelectorTerm": "matchExpressions matchFields",
    "ObjectFieldSelector": "apiVersion fieldPath",
    "ObjectMeta": (
        "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
        "deletionGracePeriodSeconds labels annotations ownerReferences finalizers - - managedFields"
    ),
    "ObjectReference": "kind namespace name uid apiVersion resourceVersion fieldPath",
    "OwnerReference": "kind - name uid apiVersion controller blockOwnerDeletion",
    "PersistentVolume": "metadata spec status",
    "PersistentVolumeClaim": "metadata spec status",
    "PersistentVolumeClaimSpec": (
        "accessModes resources volumeName selector storageClassName volumeMode dataSource dataSourceRef "
        "volumeAttributesClassName"
    ),
    "PersistentVolumeClaimTemplate": "metadata spec",
    "PersistentVolumeClaimVolumeSource": "claimName readOnly",
    "PersistentVolumeSource": "- - hostPath - nfs - iscsi - - - - - - - - - - - - local - csi",
    "PersistentVolumeSpec": (
        "capacity @PersistentVolumeSource accessModes claimRef persistentVolumeReclaimPolicy storageClassName "
        "mountOptions volumeMode nodeAffinity volumeAttributesClassName"
    ),
    "Pod": "metadata spec status",
    "PodAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PodAffinityTerm": "labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys",
    "PodAntiAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PodDNSConfig": "nameservers searches options",
    "PodDNSConfigOption": "name value",
    "PodOS": "name",
    "PodReadinessGate": "conditionType",
    "PodResourceClaim": "name - resourceClaimName resourceClaimTemplateName",
    "PodSchedulingGate": "name",
    "PodSecurityContext": (
        "seLinuxOptions runAsUser runAsNonRoot supplementalGroups fsGroup runAsGroup sysctls windowsOptions "
        "fsGroupChangePolicy seccompProfile appArmorProfile supplementalGroupsPolicy seLinuxChangePolicy"
    ),
    "PodSpec": (
        "volumes containers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector "
        "serviceAccountName serviceAccount nodeName hostNetwork hostPID hostIPC securityContext imagePullSecrets "
        "hostname subdomain affinity schedulerName initContainers automountServiceAccountToken tolerations "
        "hostAliases priorityClassName priority dnsConfig shareProcessNamespace readinessGates runtimeClassName "
        "enableServiceLinks preemptionPolicy overhead topologySpreadConstraints ephemeralContainers setHostnameAsFQDN "
        "os hostUsers schedulingGates resourceClaims resources"
    ),
    "Preconditions": "uid resourceVersion",
    "PreferredSchedulingTerm": "weight preference",
    "Probe": (
        "@ProbeHandler initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold "
        "terminationGracePeriodSeconds"
    ),
    "ProbeHandler": "exec httpGet tcpSocket grpc",
    "ProjectedVolumeSource": "sources defaultMode",
    "ResourceClaim": "name request",
    "ResourceFieldSelector": "containerName resource divisor",
    "ResourceRequirements": "limits requests claims",
    "SELinuxOptions": "user role type level",
    "SeccompProfile": "type localhostProfile",
    "Secret": "metadata data type stringData immutable",
    "SecretEnvSource": "@LocalObjectReference optional",
    "SecretKeySelector": "@LocalObjectReference key optional",
    "SecretProjection": "@LocalObjectReference items - optional",
    "SecretVolumeSource": "secretName items defaultMode optional",
    "SecurityContext": (
        "capabilities privileged seLinuxOptions runAsUser runAsNonRoot readOnlyRootFilesystem "
        "allowPrivilegeEscalation runAsGroup procMount windowsOptions seccompProfile appArmorProfile"
    ),
    "ServiceAccount": "metadata secrets imagePullSecrets automountServiceAccountToken",
    "ServiceAccountTokenProjection": "audience expirationSeconds path",
    "SleepAction": "seconds",
    "Sysctl": "name value",
    "TCPSocketAction": "port host",
    "Toleration": "key operator value effect tolerationSeconds",
    "TopologySpreadConstraint": (
        "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "matchLabelKeys"
    ),
    "TypedLocalObjectReference": "apiGroup kind name",
    "TypedObjectReference": "apiGroup kind name namespace",
    "Volume": "name @VolumeSource",
    "VolumeDevice": "name devicePath",
    "VolumeMount": "name readOnly mountPath subPath mountPropagation subPathExpr recursiveReadOnly",
    "VolumeProjection": "secret downwardAPI configMap serviceAccountToken clusterTrustBundle",
    "VolumeResourceRequirements": "limits requests",
    "VolumeSource": (
        "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap vsphereVolume "
        "quobyte azureDisk photonPersistentDisk portworxVolume scaleIO projected storageos csi ephemeral image"
    ),
    "WeightedPodAffinityTerm": "weight podAffinityTerm",
    "WindowsSecurityContextOptions": "gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess",
}
