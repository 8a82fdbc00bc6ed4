{{/* The configuration that the server reads, and where its policies are. */}}

{{/* The policy source: `embedded`, `inline`, `configMap`, `claim`, `bundle` or `oci`. */}}
{{- define "portcullis.source" -}}
{{- $policy := .Values.policy -}}
{{- $given := list -}}
{{- if $policy.inline }}{{ $given = append $given "inline" }}{{ end -}}
{{- if $policy.existingConfigMap }}{{ $given = append $given "configMap" }}{{ end -}}
{{- if $policy.persistentVolumeClaim.claimName }}{{ $given = append $given "claim" }}{{ end -}}
{{- if $policy.bundle.url }}{{ $given = append $given "bundle" }}{{ end -}}
{{- if $policy.oci.reference }}{{ $given = append $given "oci" }}{{ end -}}
{{- if gt (len $given) 1 -}}
{{- $keys := dict "inline" "policy.inline" "configMap" "policy.existingConfigMap" "claim" "policy.persistentVolumeClaim.claimName" "bundle" "policy.bundle.url" "oci" "policy.oci.reference" -}}
{{- $named := list -}}
{{- range $given }}{{ $named = append $named (get $keys .) }}{{ end -}}
{{- fail (printf "policies come from one source, and here are %d: %s" (len $given) (join ", " $named)) -}}
{{- end -}}
{{- if $given }}{{ first $given }}{{ else }}embedded{{ end -}}
{{- end -}}

{{/* Whether policies are files in a volume. */}}
{{- define "portcullis.policyFiles" -}}
{{- if has (include "portcullis.source" .) (list "inline" "configMap" "claim") }}true{{ end -}}
{{- end -}}

{{/* Whether policies are fetched. */}}
{{- define "portcullis.policyRemote" -}}
{{- if has (include "portcullis.source" .) (list "bundle" "oci") }}true{{ end -}}
{{- end -}}

{{/* Whether there is something to keep over restarts: bundles with `persist`, or fetched keys of token issuers. */}}
{{- define "portcullis.persists" -}}
{{- $config := .Values.config -}}
{{- $jwt := dig "portcullis" "jwt" dict $config -}}
{{- $kept := or (include "portcullis.policyRemote" .) (dig "discovery" "persist" false $config) $jwt.request_authentication -}}
{{- range default dict $config.bundles }}{{ $kept = or $kept .persist }}{{ end -}}
{{- range $jwt.providers }}{{ $kept = or $kept .jwks_uri .discovery }}{{ end -}}
{{- if and .Values.persistence.enabled $kept }}true{{ end -}}
{{- end -}}

{{/* Where checks are answered. */}}
{{- define "portcullis.listen" -}}
{{- if ne .Values.mode "sidecar" -}}
:{{ .Values.ports.grpc }}
{{- else if eq .Values.sidecar.transport "loopback" -}}
127.0.0.1:{{ .Values.ports.grpc }}
{{- else -}}
unix://{{ .Values.sidecar.socket }}
{{- end -}}
{{- end -}}

{{/* A native sidecar is told to end when the pod's own containers have: hardly anybody asks it then. */}}
{{- define "portcullis.graceSeconds" -}}
{{- if eq .Values.mode "sidecar" }}{{ .Values.sidecar.graceSeconds }}{{ else }}{{ .Values.shutdown.graceSeconds }}{{ end -}}
{{- end -}}

{{/* What the chart itself decides. */}}
{{- define "portcullis.ownConfig" -}}
plugins:
  envoy_ext_authz_grpc:
    addr: {{ include "portcullis.listen" . | quote }}
portcullis:
  admin:
    addr: ":{{ .Values.ports.http }}"
  log:
    level: {{ .Values.log.level }}
  shutdown:
    grace: {{ include "portcullis.graceSeconds" . }}s
    drain_timeout: {{ .Values.shutdown.drainSeconds }}s
  {{- if include "portcullis.policyFiles" . }}
  watch: true
  {{- end }}
  {{- if .Values.tls.enabled }}
  tls:
    cert_file: /etc/portcullis/tls/tls.crt
    key_file: /etc/portcullis/tls/tls.key
    {{- if .Values.tls.clientCertificates }}
    client_ca_file: /etc/portcullis/tls/ca.crt
    {{- with .Values.tls.allowedCallers }}
    allowed_callers:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- if include "portcullis.policyRemote" . }}
  {{- $remote := .Values.policy.remote }}
  bundles:
    {{- if $remote.signing.existingConfigMap }}
    require_signature: true
    {{- end }}
    named:
      {{ $remote.name }}:
        on_activation:
          run_tests: {{ $remote.runTests }}
        {{- with $remote.maxAge }}
        max_age: {{ . }}
        unready_when_old: {{ $remote.unreadyWhenOld }}
        {{- end }}
  {{- end }}
{{- if include "portcullis.persists" . }}
persistence_directory: /var/lib/portcullis
{{- end }}
{{- if include "portcullis.policyRemote" . }}
{{- $remote := .Values.policy.remote }}
{{- $oci := eq (include "portcullis.source" .) "oci" }}
services:
  {{ $remote.name }}:
    {{- if $oci }}
    url: https://{{ first (splitList "/" .Values.policy.oci.reference) }}
    type: oci
    {{- else }}
    url: {{ .Values.policy.bundle.url | quote }}
    {{- end }}
    {{- if $remote.credentials.existingSecret }}
    credentials:
      bearer:
        scheme: {{ $remote.credentials.scheme }}
        token_path: /etc/portcullis/source/token/{{ $remote.credentials.key }}
    {{- end }}
    {{- if $remote.ca.existingConfigMap }}
    tls:
      ca_cert: /etc/portcullis/source/ca/{{ $remote.ca.key }}
    {{- end }}
bundles:
  {{ $remote.name }}:
    service: {{ $remote.name }}
    {{- if $oci }}
    resource: {{ .Values.policy.oci.reference | quote }}
    {{- else }}
    resource: {{ default (printf "bundles/%s" $remote.name) .Values.policy.bundle.resource | quote }}
    {{- end }}
    persist: {{ .Values.persistence.enabled }}
    polling:
      min_delay_seconds: {{ $remote.minDelaySeconds }}
      max_delay_seconds: {{ $remote.maxDelaySeconds }}
    {{- if $remote.signing.existingConfigMap }}
    signing:
      keyid: {{ $remote.signing.keyId }}
    {{- end }}
{{- if $remote.signing.existingConfigMap }}
keys:
  {{ $remote.signing.keyId }}:
    algorithm: {{ $remote.signing.algorithm }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Refuses in `config` what the chart decides: two places for one thing, and one of them would be wrong. */}}
{{- define "portcullis.refuseOwn" -}}
{{- $config := .Values.config -}}
{{- $plugins := default dict $config.plugins -}}
{{- $ours := default dict $config.portcullis -}}
{{- $instead := "config: `%s` is set by the chart; use the value `%s`" -}}
{{- if hasKey $plugins "envoy.ext_authz.grpc" -}}
{{- fail "config: write `plugins.envoy_ext_authz_grpc` for `plugins.envoy.ext_authz.grpc`: the chart adds to this section, and both names together are an error" -}}
{{- end -}}
{{- if hasKey (default dict $plugins.envoy_ext_authz_grpc) "addr" -}}
{{- fail (printf $instead "plugins.envoy_ext_authz_grpc.addr" "ports.grpc") -}}
{{- end -}}
{{- if hasKey $ours "admin" }}{{ fail (printf $instead "portcullis.admin" "ports.http") }}{{ end -}}
{{- if hasKey (default dict $ours.log) "level" }}{{ fail (printf $instead "portcullis.log.level" "log.level") }}{{ end -}}
{{- if hasKey $ours "shutdown" }}{{ fail (printf $instead "portcullis.shutdown" "shutdown") }}{{ end -}}
{{- if hasKey $ours "tls" }}{{ fail (printf $instead "portcullis.tls" "tls") }}{{ end -}}
{{- if hasKey $ours "watch" }}{{ fail "config: `portcullis.watch` is set by the chart, wherever policies are files" }}{{ end -}}
{{- if hasKey $config "persistence_directory" }}{{ fail (printf $instead "persistence_directory" "persistence") }}{{ end -}}
{{- if include "portcullis.policyRemote" . -}}
{{- $remote := .Values.policy.remote -}}
{{- if hasKey (default dict $config.services) $remote.name -}}
{{- fail (printf $instead (printf "services.%s" $remote.name) "policy.remote.name") -}}
{{- end -}}
{{- if hasKey (default dict $config.bundles) $remote.name -}}
{{- fail (printf $instead (printf "bundles.%s" $remote.name) "policy.remote.name") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* `config` and what the chart decides, as one file. */}}
{{- define "portcullis.config" -}}
{{- include "portcullis.refuseOwn" . -}}
{{- $own := include "portcullis.ownConfig" . | fromYaml -}}
{{- if hasKey $own "Error" }}{{ fail (printf "the configuration cannot be rendered: %s" $own.Error) }}{{ end -}}
{{- mustMergeOverwrite (deepCopy .Values.config) $own | toYaml -}}
{{- end -}}
