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

{{- /* Pods that may be away */ -}}
{{- if and (eq $mode "deployment") .Values.podDisruptionBudget.enabled -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- $least := include "portcullis.leastReplicas" . | int -}}
{{- $unavailable := toString $budget.maxUnavailable -}}
{{- $available := toString $budget.minAvailable -}}
{{- if and $available (ne $unavailable "") (ne $unavailable "1") -}}
{{- fail "podDisruptionBudget takes one of minAvailable and maxUnavailable" -}}
{{- end -}}
{{- if and (not $available) (has $unavailable (list "" "0" "0%")) -}}
{{- fail "podDisruptionBudget.maxUnavailable of nothing: no node could ever be drained" -}}
{{- end -}}
{{- if or (eq $available "100%") (and $available (not (hasSuffix "%" $available)) (ge (int $available) $least)) -}}
{{- fail (printf "podDisruptionBudget.minAvailable is %s of %d pods: no node could ever be drained" $available $least) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" .Values.resources)) -}}
{{- fail "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not there" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.targetCPUUtilizationPercentage) (not .Values.autoscaling.metrics) -}}
{{- fail "autoscaling needs targetCPUUtilizationPercentage or metrics" -}}
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
{{- if and $tls.clientCertificates .Values.istio.destinationRule.enabled (not .Values.istio.destinationRule.trafficPolicy.tls) -}}
{{- fail "tls.clientCertificates: say in istio.destinationRule.trafficPolicy.tls which certificate proxies show" -}}
{{- end -}}

{{- /* Istio */ -}}
{{- if and .Values.istio.callers.enabled (eq .Values.istio.dataplane "none") -}}
{{- fail "istio.callers.enabled beside `istio.dataplane: none`: nothing in the pods would enforce it" -}}
{{- end -}}
{{- range $index, $policy := .Values.istio.policies -}}
{{- $namespace := default $.Release.Namespace $policy.namespace -}}
{{- if and $policy.selector $policy.targetRefs -}}
{{- fail (printf "istio.policies[%d] (%s) takes one of selector and targetRefs" $index $policy.name) -}}
{{- end -}}
{{- if and $runs (not $policy.selector) (not $policy.targetRefs) (has $namespace (list $.Release.Namespace $.Values.istio.rootNamespace)) -}}
{{- fail (printf "istio.policies[%d] (%s) selects all workloads of `%s`, the gate too: it would have to allow the checks that it is asked. Give a selector, or another namespace" $index $policy.name $namespace) -}}
{{- end -}}
{{- end -}}

{{- if and (eq $mode "sidecar") (eq .Values.sidecar.transport "unix") (not (or (hasPrefix "@" .Values.sidecar.socket) (hasPrefix "/" .Values.sidecar.socket))) -}}
{{- fail "sidecar.socket is `@name` or an absolute path" -}}
{{- end -}}
{{- end -}}
