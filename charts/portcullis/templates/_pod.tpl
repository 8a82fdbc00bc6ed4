{{/* The container of the gate, its volumes, and the pods of the modes that have some. */}}

{{/* Arguments, without those that name policies. */}}
{{- define "portcullis.args" -}}
- run
- --config-file=/etc/portcullis/config/portcullis.yaml
{{- $signing := .Values.policy.remote.signing }}
{{- if and (include "portcullis.policyRemote" .) $signing.existingConfigMap }}
- --set-file=keys.{{ $signing.keyId }}.key=/etc/portcullis/source/keys/{{ $signing.key }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- if include "portcullis.policyFiles" . }}
- /etc/portcullis/policy
{{- end }}
{{- end -}}

{{/* ConfigMaps are mounted as folders and never by `subPath`: only so the kubelet brings changes. */}}
{{- define "portcullis.volumeMounts" -}}
- {name: portcullis-config, mountPath: /etc/portcullis/config, readOnly: true}
{{- if include "portcullis.policyFiles" . }}
{{- $subPath := .Values.policy.persistentVolumeClaim.subPath }}
- {name: portcullis-policy, mountPath: /etc/portcullis/policy, readOnly: true{{ if and $subPath (eq (include "portcullis.source" .) "claim") }}, subPath: {{ $subPath | quote }}{{ end }}}
{{- end }}
{{- if include "portcullis.policyRemote" . }}
{{- $remote := .Values.policy.remote }}
{{- if $remote.credentials.existingSecret }}
- {name: portcullis-source-token, mountPath: /etc/portcullis/source/token, readOnly: true}
{{- end }}
{{- if $remote.ca.existingConfigMap }}
- {name: portcullis-source-ca, mountPath: /etc/portcullis/source/ca, readOnly: true}
{{- end }}
{{- if $remote.signing.existingConfigMap }}
- {name: portcullis-source-keys, mountPath: /etc/portcullis/source/keys, readOnly: true}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
- {name: portcullis-tls, mountPath: /etc/portcullis/tls, readOnly: true}
{{- end }}
{{- range .Values.secrets }}
- {name: portcullis-secret-{{ .name }}, mountPath: /etc/portcullis/secrets/{{ .name }}, readOnly: true}
{{- end }}
{{- if include "portcullis.persists" . }}
- {name: portcullis-state, mountPath: /var/lib/portcullis}
{{- end }}
{{- with include "portcullis.socketFolder" . }}
- {name: portcullis-socket, mountPath: {{ . }}}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "portcullis.volumes" -}}
- name: portcullis-config
  configMap:
    name: {{ include "portcullis.fullname" . | quote }}
{{- $source := include "portcullis.source" . }}
{{- if eq $source "inline" }}
- name: portcullis-policy
  configMap:
    name: "{{ include "portcullis.fullname" . }}-policy"
{{- else if eq $source "configMap" }}
- name: portcullis-policy
  configMap:
    name: {{ .Values.policy.existingConfigMap | quote }}
{{- else if eq $source "claim" }}
- name: portcullis-policy
  persistentVolumeClaim:
    claimName: {{ .Values.policy.persistentVolumeClaim.claimName | quote }}
    readOnly: true
{{- end }}
{{- if include "portcullis.policyRemote" . }}
{{- $remote := .Values.policy.remote }}
{{- with $remote.credentials.existingSecret }}
- name: portcullis-source-token
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- with $remote.ca.existingConfigMap }}
- name: portcullis-source-ca
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with $remote.signing.existingConfigMap }}
- name: portcullis-source-keys
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: portcullis-tls
  secret:
    secretName: {{ include "portcullis.tlsSecret" . | quote }}
{{- end }}
{{- range .Values.secrets }}
- name: portcullis-secret-{{ .name }}
  secret:
    secretName: {{ .secretName | quote }}
{{- end }}
{{- if include "portcullis.persists" . }}
- name: portcullis-state
  {{- /* Helm merges maps: a volume of the user's comes beside the default. */}}
  {{- $volume := .Values.persistence.volume }}
  {{- if gt (len $volume) 1 }}{{ $volume = omit $volume "emptyDir" }}{{ end }}
  {{- toYaml $volume | nindent 2 }}
{{- end }}
{{- if include "portcullis.socketFolder" . }}
- name: portcullis-socket
  emptyDir: {}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The folder of the socket, where there is one on disk. */}}
{{- define "portcullis.socketFolder" -}}
{{- if and (eq .Values.mode "sidecar") (eq .Values.sidecar.transport "unix") (hasPrefix "/" .Values.sidecar.socket) -}}
{{- dir .Values.sidecar.socket -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.container" -}}
{{- /* Names of ports are unique in a pod, and a sidecar's pod has others'. */}}
{{- $http := ternary "http-portcullis" "http-metrics" (eq .Values.mode "sidecar") -}}
name: portcullis
image: {{ include "portcullis.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "portcullis.args" . | nindent 2 }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if ne .Values.mode "sidecar" }}
  - {name: grpc-authz, containerPort: {{ .Values.ports.grpc }}, protocol: TCP}
  {{- end }}
  - {name: {{ $http }}, containerPort: {{ .Values.ports.http }}, protocol: TCP}
startupProbe:
  httpGet: {path: /livez, port: {{ $http }}}
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: {{ $http }}}
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: {{ $http }}}
  {{- toYaml .Values.probes.readiness | nindent 2 }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $security := .Values.securityContext }}
{{- if eq .Values.mode "sidecar" }}
{{- /* The pod is somebody else's, and so is its security context. */}}
{{- $security = merge (deepCopy $security) (pick .Values.podSecurityContext "runAsUser" "runAsGroup" "runAsNonRoot" "seccompProfile") }}
{{- if include "portcullis.socketFolder" . }}{{ $_ := set $security "runAsGroup" .Values.sidecar.proxyGroup }}{{ end }}
{{- end }}
{{- with $security }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "portcullis.volumeMounts" . | nindent 2 }}
{{- end -}}

{{/* Labels that say who carries the pods' traffic. */}}
{{- define "portcullis.dataplaneLabels" -}}
{{- $dataplane := .Values.istio.dataplane -}}
{{- if eq $dataplane "sidecar" }}
sidecar.istio.io/inject: "true"
{{- else if eq $dataplane "ambient" }}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: ambient
{{- else if eq $dataplane "none" }}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
{{- end }}
{{- end -}}

{{- define "portcullis.podLabels" -}}
{{- $selector := include "portcullis.selectorLabels" . | fromYaml -}}
{{- $dataplane := include "portcullis.dataplaneLabels" . | fromYaml -}}
{{- mustMergeOverwrite dict .Values.commonLabels $dataplane .Values.podLabels $selector | toYaml -}}
{{- end -}}

{{- define "portcullis.gracePeriod" -}}
{{- add .Values.shutdown.graceSeconds .Values.shutdown.drainSeconds .Values.shutdown.marginSeconds -}}
{{- end -}}

{{/*
A proxy in the pod has to outlast the gate: it ends no connection before the gate has ended, and lets the gate start
only when it can reach its sources.
*/}}
{{- define "portcullis.podAnnotations" -}}
{{- $annotations := dict "checksum/config" (include "portcullis.config" . | sha256sum) -}}
{{- if not (has .Values.istio.dataplane (list "ambient" "none")) -}}
{{- $drain := printf "%ds" (add .Values.shutdown.graceSeconds .Values.shutdown.drainSeconds) -}}
{{- $_ := set $annotations "proxy.istio.io/config" (dict "holdApplicationUntilProxyStarts" true "terminationDrainDuration" $drain | toJson) -}}
{{- end -}}
{{- mustMergeOverwrite $annotations .Values.podAnnotations | toYaml -}}
{{- end -}}

{{/* The template of the pods that the chart itself runs. */}}
{{- define "portcullis.podTemplate" -}}
metadata:
  labels:
    {{- include "portcullis.podLabels" . | nindent 4 }}
  annotations:
    {{- include "portcullis.podAnnotations" . | nindent 4 }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "portcullis.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "portcullis.gracePeriod" . }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "portcullis.container" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "portcullis.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.mode "deployment" }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "portcullis.selectorLabels" $ | fromYaml)) "matchLabelKeys" (list "pod-template-hash") }}
    {{- if .labelSelector }}{{ $selector = dict }}{{ end }}
    - {{ merge (deepCopy .) $selector | toYaml | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/*
What the proxy in a pod has to know of the gate beside it: leave its port for probes and metrics alone, whatever mutual TLS
is asked for, and mount the folder of its socket.
*/}}
{{- define "portcullis.carrierAnnotations" -}}
traffic.sidecar.istio.io/excludeInboundPorts: {{ .Values.ports.http | toString | quote }}
{{- with include "portcullis.socketFolder" . }}
sidecar.istio.io/userVolumeMount: {{ dict "portcullis-socket" (dict "mountPath" .) | toJson | quote }}
{{- end }}
{{- end -}}
