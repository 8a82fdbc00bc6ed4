{{/* Names and labels of everything. */}}

{{- define "portcullis.name" -}}
{{- default .Chart.Name .Values.nameOverride -}}
{{- end -}}

{{/*
Room for the longest suffix, `-dashboard`, within the 63 characters of a name. A release may have dots in its name and
begin with a digit; a Service may not.
*/}}
{{- define "portcullis.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $release := replace "." "-" .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if regexMatch "^[0-9]" $release -}}
{{- printf "%s-%s" $name $release | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name $release -}}
{{- $release | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" $release $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "portcullis.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The pod of `helm test` is none of the Service's. */}}
{{- define "portcullis.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "portcullis.name" . | trunc 58) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Whether there is a test: it shows the gate's own certificate, and may be none of the callers that are named. */}}
{{- define "portcullis.tests" -}}
{{- if and (include "portcullis.runs" .) .Values.test.enabled (not (and .Values.tls.enabled .Values.tls.allowedCallers)) }}true{{ end -}}
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
name: {{ default $name .name | quote }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
labels:
  {{- /* What others select by is nobody's to change. */}}
  {{- $selector := include "portcullis.selectorLabels" .root | fromYaml }}
  {{- mustMergeOverwrite (include "portcullis.labels" .root | fromYaml) .root.Values.commonLabels $selector (default dict .labels) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
