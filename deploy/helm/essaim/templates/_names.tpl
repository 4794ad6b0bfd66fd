{{- define "essaim.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* The beginning of all names. 40 characters, so that a pod's and a hook's name fit into 63. */}}
{{- define "essaim.fullname" -}}
{{- $name := include "essaim.name" . -}}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" $full) -}}
{{- fail (printf "The name %q cannot begin the names of Services: it needs 1 to 40 of a-z, 0-9 and -, a letter first. Set fullnameOverride." $full) -}}
{{- end -}}
{{ $full }}
{{- end }}

{{/* (dict "root" $ "component" "relay") */}}
{{- define "essaim.componentName" -}}
{{ include "essaim.fullname" .root }}-{{ .component }}
{{- end }}

{{- define "essaim.releaseSelector" -}}
app.kubernetes.io/name: {{ include "essaim.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "essaim.selector" -}}
{{ include "essaim.releaseSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "essaim.labels" -}}
{{ include "essaim.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: essaim
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* (dict "root" $ "name" "relay" "override" "...") */}}
{{- define "essaim.image" -}}
{{- $image := .root.Values.image -}}
{{- .override | default (printf "%sessaim-%s:%s" (ternary "" (printf "%s/" (trimSuffix "/" $image.registry)) (empty $image.registry)) .name ($image.tag | default .root.Chart.AppVersion)) -}}
{{- end }}

{{- define "essaim.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The components that run here, in the order of starting. A new service is added to this list and to values. */}}
{{- define "essaim.components" -}}
{{- range $component := list "discovery" "relay" "storage" "opengroup" "push" }}
{{- if (index $.Values $component).enabled }}
- {{ $component }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty where discovery's agent runs. */}}
{{- define "essaim.agent" -}}
{{- if and .Values.discovery.enabled .Values.discovery.agent.enabled -}}yes{{- end -}}
{{- end }}

{{- define "essaim.authoritySecret" -}}
{{ .Values.genesis.authoritySecret | default (printf "%s-authority" (include "essaim.fullname" .)) }}
{{- end }}

{{/* Empty where nodes register without: they join a network elsewhere that asks for no operator. */}}
{{- define "essaim.operatorSecret" -}}
{{ .Values.genesis.operatorSecret | default (ternary (printf "%s-operator" (include "essaim.fullname" .)) "" .Values.genesis.create) }}
{{- end }}

{{- define "essaim.genesisConfigMap" -}}
{{ .Values.genesis.configMap | default (printf "%s-genesis" (include "essaim.fullname" .)) }}
{{- end }}

{{/* (dict "values" .Values "ip" "10.0.0.1" "port" 7440) */}}
{{- define "essaim.address" -}}
{{- if or (contains ":" .ip) (and (hasPrefix "$(" .ip) (eq .values.network.ipFamily "IPv6")) -}}
[{{ .ip }}]:{{ .port }}
{{- else -}}
{{ .ip }}:{{ .port }}
{{- end -}}
{{- end }}

{{/* Where nodes and clients in the cluster dial discovery: in digits, from the Service's own variable, so nobody asks DNS. */}}
{{- define "essaim.discoveryAddress" -}}
{{- if .Values.discovery.enabled -}}
{{- $variable := printf "$(%s_DISCOVERY_SERVICE_HOST)" (include "essaim.fullname" . | upper | replace "-" "_") -}}
{{- include "essaim.address" (dict "values" .Values "ip" $variable "port" .Values.discovery.port) -}}
{{- else -}}
{{ .Values.discovery.address }}
{{- end -}}
{{- end }}
