{{/* Values that contradict each other. Everything that one value alone can tell is for values.schema.json. */}}

{{- define "portcullis.checks" -}}
{{- $mode := .Values.mode -}}
{{- $_ := include "portcullis.source" . -}}
{{- $runs := include "portcullis.runs" . -}}

{{- /* Modes */ -}}
{{- if and .Values.autoscaling.enabled (ne $mode "deployment") -}}
{{- fail (printf "autoscaling.enabled is for `mode: deployment`, and the mode is `%s`" $mode) -}}
{{- end -}}
{{- if not $runs -}}
{{- range $key := list "networkPolicy" "serviceMonitor" -}}
{{- if (index $.Values $key).enabled -}}
{{- fail (printf "%s.enabled needs pods of the chart's own, and `mode: %s` has none" $key $mode) -}}
{{- end -}}
{{- end -}}
{{- if .Values.istio.callers.enabled -}}
{{- fail (printf "istio.callers.enabled needs pods of the chart's own, and `mode: %s` has none" $mode) -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- fail (printf "tls.enabled is for a gate that others reach over the network; `mode: %s` has none here" $mode) -}}
{{- end -}}
{{- end -}}
{{- include "portcullis.checksOfPods" . -}}
{{- include "portcullis.checksOfIstio" . -}}
{{- if and (eq $mode "sidecar") (has .Values.istio.dataplane (list "ambient" "none")) -}}
{{- fail (printf "`mode: sidecar` beside `istio.dataplane: %s`: there is no proxy in the pods that could ask" .Values.istio.dataplane) -}}
{{- end -}}
{{- if and (eq $mode "external") (not .Values.external.host) -}}
{{- fail "`mode: external` needs external.host" -}}
{{- end -}}
{{- if and (eq $mode "external") .Values.istio.destinationRule.enabled -}}
{{- fail "`mode: external` has a DestinationRule of its own: use external.tls" -}}
{{- end -}}
{{- if and (ne $mode "external") .Values.external.host -}}
{{- fail (printf "external.host is for `mode: external`, and the mode is `%s`" $mode) -}}
{{- end -}}

{{- /* Addresses */ -}}
{{- if eq (int .Values.ports.grpc) (int .Values.ports.http) -}}
{{- fail "ports.grpc and ports.http are the same" -}}
{{- end -}}
{{- if eq (int .Values.service.port) (int .Values.service.httpPort) -}}
{{- fail "service.port and service.httpPort are the same" -}}
{{- end -}}

{{- /* Where policies come from */ -}}
{{- $remote := .Values.policy.remote -}}
{{- if gt (int $remote.minDelaySeconds) (int $remote.maxDelaySeconds) -}}
{{- fail "policy.remote.minDelaySeconds is more than policy.remote.maxDelaySeconds" -}}
{{- end -}}
{{- if and $remote.unreadyWhenOld (not $remote.maxAge) -}}
{{- fail "policy.remote.unreadyWhenOld needs policy.remote.maxAge" -}}
{{- end -}}
{{- if and .Values.policy.bundle.resource (not .Values.policy.bundle.url) -}}
{{- fail "policy.bundle.resource needs policy.bundle.url" -}}
{{- end -}}
{{- if not (include "portcullis.policyRemote" .) -}}
{{- range $key := list "credentials" "ca" "signing" -}}
{{- $part := index $remote $key -}}
{{- if or $part.existingSecret $part.existingConfigMap -}}
{{- fail (printf "policy.remote.%s is for policy.bundle.url or policy.oci.reference, and neither is there" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* TLS of the gate itself */ -}}
{{- $tls := .Values.tls -}}
{{- if and $tls.enabled (not $tls.existingSecret) (not $tls.certManager.enabled) -}}
{{- fail "tls.enabled needs tls.existingSecret or tls.certManager.enabled" -}}
{{- end -}}
{{- if and $tls.certManager.enabled (not $tls.enabled) -}}
{{- fail "tls.certManager.enabled needs tls.enabled" -}}
{{- end -}}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.enabled needs tls.certManager.issuerRef.name" -}}
{{- end -}}
{{- if and $tls.allowedCallers (not $tls.clientCertificates) -}}
{{- fail "tls.allowedCallers needs tls.clientCertificates: without certificates nobody has a SPIFFE ID" -}}
{{- end -}}
{{- if and $tls.enabled (eq .Values.istio.dataplane "sidecar") -}}
{{- fail "tls.enabled beside `istio.dataplane: sidecar`: the pod's proxy ends mutual TLS already and speaks plain text to the gate" -}}
{{- end -}}
{{- if and $tls.enabled (not .Values.istio.dataplane) -}}
{{- fail "tls.enabled needs istio.dataplane, `none` or `ambient`: behind a sidecar, which a namespace may give unasked, the gate is spoken to in plain text" -}}
{{- end -}}
{{- $rule := .Values.istio.destinationRule -}}
{{- if and $tls.enabled $rule.enabled -}}
{{- $way := dig "tls" dict (default dict $rule.trafficPolicy) -}}
{{- if not $way -}}
{{- fail "tls.enabled: say in istio.destinationRule.trafficPolicy.tls whom proxies believe, `{mode: SIMPLE, caCertificates: FILE}` with a file of the proxy's; left out it is the authorities of their system" -}}
{{- end -}}
{{- if not (has $way.mode (list "SIMPLE" "MUTUAL" "ISTIO_MUTUAL")) -}}
{{- fail (printf "tls.enabled beside istio.destinationRule.trafficPolicy.tls of mode `%v`: the gate would refuse what is not TLS" $way.mode) -}}
{{- end -}}
{{- if and $tls.clientCertificates (eq $way.mode "SIMPLE") -}}
{{- fail "tls.clientCertificates beside istio.destinationRule.trafficPolicy.tls of mode `SIMPLE`: proxies would show no certificate" -}}
{{- end -}}
{{- end -}}

{{- if and (eq $mode "sidecar") (eq .Values.sidecar.transport "unix") (not (or (hasPrefix "@" .Values.sidecar.socket) (hasPrefix "/" .Values.sidecar.socket))) -}}
{{- fail "sidecar.socket is `@name` or an absolute path" -}}
{{- end -}}
{{- end -}}
