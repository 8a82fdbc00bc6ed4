{{/* Refuses numbers of pods that leave none, or that no node can be drained with. */}}

{{- define "portcullis.checksOfPods" -}}
{{- include "portcullis.checksOfRollout" . -}}
{{- if and (eq .Values.mode "deployment") .Values.podDisruptionBudget.enabled -}}
{{- include "portcullis.checksOfBudget" . -}}
{{- end -}}
{{- $scaling := .Values.autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $scaling.enabled $scaling.targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" .Values.resources)) -}}
{{- fail "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not there" -}}
{{- end -}}
{{- if and $scaling.enabled (not $scaling.targetCPUUtilizationPercentage) (not $scaling.metrics) -}}
{{- fail "autoscaling needs targetCPUUtilizationPercentage or metrics" -}}
{{- end -}}
{{- end -}}

{{/* What Kubernetes refuses of the strategies, or takes and never makes a step with. */}}
{{- define "portcullis.checksOfRollout" -}}
{{- $nothing := list "0" "0%" -}}
{{- $key := ternary "strategy" "updateStrategy" (eq .Values.mode "deployment") -}}
{{- $strategy := default dict (index .Values $key) -}}
{{- $rolling := default dict $strategy.rollingUpdate -}}
{{- /* What is left out is as Kubernetes fills it in. */ -}}
{{- $rolls := eq (default "RollingUpdate" $strategy.type) "RollingUpdate" -}}
{{- if eq .Values.mode "deployment" -}}
{{- $surge := dig "maxSurge" "25%" $rolling | toString -}}
{{- $unavailable := dig "maxUnavailable" "25%" $rolling | toString -}}
{{- if and $rolls (has $surge $nothing) (has $unavailable $nothing) -}}
{{- fail "strategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced" -}}
{{- end -}}
{{- else if eq .Values.mode "daemonset" -}}
{{- $surge := dig "maxSurge" 0 $rolling | toString -}}
{{- $unavailable := dig "maxUnavailable" 1 $rolling | toString -}}
{{- if and $rolls (eq (has $surge $nothing) (has $unavailable $nothing)) -}}
{{- fail (printf "updateStrategy.rollingUpdate: of maxSurge (%s) and maxUnavailable (%s) a DaemonSet takes one, and the other has to be 0" $surge $unavailable) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.checksOfBudget" -}}
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
{{- if and $available (ge (include "portcullis.ofPods" (dict "count" $available "pods" $least) | int) $least) -}}
{{- fail (printf "podDisruptionBudget.minAvailable is %s of %d pods: no node could ever be drained" $available $least) -}}
{{- end -}}
{{- if and (not $available) (gt $least 1) (ge (include "portcullis.ofPods" (dict "count" $unavailable "pods" $least) | int) $least) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %s of %d pods: one drain could take every gate" $unavailable $least) -}}
{{- end -}}
{{- end -}}

{{/* So many of `pods`: a number, or per cent, which Kubernetes rounds up in a PodDisruptionBudget. */}}
{{- define "portcullis.ofPods" -}}
{{- if hasSuffix "%" .count -}}
{{- div (add (mul (trimSuffix "%" .count | int) .pods) 99) 100 -}}
{{- else -}}
{{- .count -}}
{{- end -}}
{{- end -}}
