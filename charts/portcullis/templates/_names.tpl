{{/* Names and labels of everything. */}}

{{- define "portcullis.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Room for the longest suffix, `-dashboard`, within the 63 characters of a name. */}}
{{- define "portcullis.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "portcullis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "portcullis.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "portcullis.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: portcullis
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "portcullis.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "portcullis.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- if $image.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" $image.registry) $repository -}}{{- end -}}
{{- $repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Whether this chart runs pods of its own. */}}
{{- define "portcullis.runs" -}}
{{- if has .Values.mode (list "deployment" "daemonset") }}true{{ end -}}
{{- end -}}

{{/* The name that proxies call the gate by, and its port there. */}}
{{- define "portcullis.host" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- .Values.sidecar.host -}}
{{- else if eq .Values.mode "external" -}}
{{- .Values.external.host -}}
{{- else -}}
{{- printf "%s.%s.svc.%s" (include "portcullis.fullname" .) .Release.Namespace .Values.clusterDomain -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.port" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- .Values.ports.grpc -}}
{{- else if eq .Values.mode "external" -}}
{{- .Values.external.port -}}
{{- else -}}
{{- .Values.service.port -}}
{{- end -}}
{{- end -}}

{{/* Namespaces that need the ConfigMaps of the gate, as JSON. */}}
{{- define "portcullis.namespaces" -}}
{{- if and (eq .Values.mode "sidecar") .Values.sidecar.namespaces -}}
{{- .Values.sidecar.namespaces | uniq | toJson -}}
{{- else -}}
{{- list .Release.Namespace | toJson -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.tlsSecret" -}}
{{- default (printf "%s-tls" (include "portcullis.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* `deployment` has as many pods as this at the least. */}}
{{- define "portcullis.leastReplicas" -}}
{{- if .Values.autoscaling.enabled }}{{ .Values.autoscaling.minReplicas }}{{ else }}{{ .Values.replicaCount }}{{ end -}}
{{- end -}}

{{/*
The metadata of an object. `root`; optionally `name` or `suffix` (of the full name), `namespace`, `labels`,
`annotations`.
*/}}
{{- define "portcullis.metadata" -}}
{{- $name := include "portcullis.fullname" .root -}}
{{- with .suffix }}{{ $name = printf "%s-%s" $name . }}{{ end -}}
name: {{ default $name .name }}
namespace: {{ default .root.Release.Namespace .namespace }}
labels:
  {{- mustMergeOverwrite (include "portcullis.labels" .root | fromYaml) .root.Values.commonLabels (default dict .labels) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
