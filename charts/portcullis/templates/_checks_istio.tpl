{{/* Refuses what would have proxies ask nobody, everybody, or the gate about itself. */}}

{{- define "portcullis.checksOfIstio" -}}
{{- $istio := .Values.istio -}}
{{- if and $istio.callers.enabled (eq $istio.dataplane "none") -}}
{{- fail "istio.callers.enabled beside `istio.dataplane: none`: nothing in the pods would enforce it" -}}
{{- end -}}
{{- include "portcullis.checksOfNetworkPolicy" . -}}
{{- include "portcullis.checksOfTimeout" . -}}
{{- range $index, $policy := $istio.policies -}}
{{- include "portcullis.checksOfPolicy" (dict "root" $ "policy" $policy "called" (printf "istio.policies[%d] (%s)" $index $policy.name)) -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.checksOfNetworkPolicy" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (not .Values.istio.dataplane) -}}
{{- fail "networkPolicy.enabled needs istio.dataplane, `sidecar`, `ambient` or `none`: where the namespace turns out to be ambient, all traffic comes by port 15008, and the gate would be cut off" -}}
{{- end -}}
{{- if and $policy.enabled (eq .Values.istio.dataplane "ambient") $policy.checksFrom (not $policy.metricsFrom) -}}
{{- fail "networkPolicy.checksFrom beside `istio.dataplane: ambient` needs networkPolicy.metricsFrom: ambient carries both on port 15008, so whoever may read metrics may send checks too. Which of the two a caller may, istio.callers says" -}}
{{- end -}}
{{- end -}}

{{/* A span in milliseconds; empty for what is no span, such as `${BUDGET}`. */}}
{{- define "portcullis.milliseconds" -}}
{{- if regexMatch "^([0-9]+([.][0-9]+)?(us|ms|s|m|h))+$" . -}}
{{- $units := dict "us" 0.001 "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+[a-z]+" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
{{- end -}}

{{/* A proxy that gives up before the gate does answers in its stead, and nobody learns why. */}}
{{- define "portcullis.checksOfTimeout" -}}
{{- $timeout := .Values.istio.provider.timeout -}}
{{- $patience := include "portcullis.milliseconds" $timeout | float64 -}}
{{- if lt $patience 1.0 -}}
{{- fail (printf "istio.provider.timeout is %s, and Istio takes nothing below 1ms" $timeout) -}}
{{- end -}}
{{- if ne .Values.mode "external" -}}
{{- $budget := dig "portcullis" "budget" "100ms" .Values.config | toString -}}
{{- $needed := include "portcullis.milliseconds" $budget -}}
{{- if and $needed (le $patience ($needed | float64)) -}}
{{- fail (printf "istio.provider.timeout is %s, and config.portcullis.budget is %s: proxies would give up before the gate has answered" $timeout $budget) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A policy that selects the gate has its proxy ask the gate about the checks it is asked. `root`, `policy`, `called`. */}}
{{- define "portcullis.checksOfPolicy" -}}
{{- $root := .root -}}
{{- $policy := .policy -}}
{{- $own := $root.Release.Namespace -}}
{{- $namespace := default $own $policy.namespace -}}
{{- if and $policy.selector $policy.targetRefs -}}
{{- fail (printf "%s takes one of selector and targetRefs" .called) -}}
{{- end -}}
{{- if and (include "portcullis.runs" $root) (has $namespace (list $own $root.Values.istio.rootNamespace)) -}}
{{- $labels := dig "matchLabels" dict (default dict $policy.selector) -}}
{{- if not (or $labels $policy.targetRefs) -}}
{{- fail (printf "%s selects all workloads of `%s`, the gate too: it would have to allow the checks that it is asked. Give a selector, or another namespace" .called $namespace) -}}
{{- end -}}
{{- $ours := include "portcullis.podLabels" $root | fromYaml -}}
{{- $selected := true -}}
{{- range $key, $value := $labels -}}
{{- if ne (get $ours $key) $value }}{{ $selected = false }}{{ end -}}
{{- end -}}
{{- if and $labels $selected -}}
{{- fail (printf "%s selects the gate by its own labels: it would have to allow the checks that it is asked" .called) -}}
{{- end -}}
{{- range $target := $policy.targetRefs -}}
{{- if and (eq $namespace $own) (eq (toString $target.kind) "Service") (eq (toString $target.name) (include "portcullis.fullname" $root)) -}}
{{- fail (printf "%s names the gate's own Service: it would have to allow the checks that it is asked" $.called) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
