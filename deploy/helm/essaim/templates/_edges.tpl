{{/* Who dials whom inside the release: the whole list. Replies go back on the same connection. */}}
{{- define "essaim.edges" -}}
{{- $on := include "essaim.components" . | fromYamlArray -}}
{{- $edges := list
  (dict "from" "relay" "to" "discovery")
  (dict "from" "relay" "to" "relay")
  (dict "from" "relay" "to" "storage")
  (dict "from" "relay" "to" "opengroup")
  (dict "from" "relay" "to" "push")
  (dict "from" "storage" "to" "discovery")
  (dict "from" "storage" "to" "storage")
  (dict "from" "storage" "to" "push")
  (dict "from" "opengroup" "to" "discovery")
  (dict "from" "push" "to" "discovery")
  (dict "from" "push" "to" "storage")
  (dict "from" "test" "to" "discovery")
  (dict "from" "test" "to" "relay")
  (dict "from" "grade" "to" "discovery")
  (dict "from" "grade" "to" "relay")
  (dict "from" "grade" "to" "storage")
  (dict "from" "grade" "to" "opengroup")
  (dict "from" "grade" "to" "push") -}}
{{- if include "essaim.agent" . -}}{{/* the agent asks each pod who it is */}}
{{- range list "relay" "storage" "opengroup" "push" -}}{{- $edges = append $edges (dict "from" "discovery" "to" .) -}}{{- end -}}
{{- end -}}
{{- range $edges }}
{{- if and (has .to $on) (or (has .from (list "test" "grade")) (has .from $on)) }}
- {from: {{ .from }}, to: {{ .to }}, port: {{ (index $.Values .to).port }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Where nodes may dial beside the pods of this release; an empty list: nowhere. */}}
{{- define "essaim.outside" -}}
{{- $exposed := false -}}
{{- range include "essaim.components" . | fromYamlArray -}}
{{- if ne (index $.Values .).exposure.type "None" -}}{{- $exposed = true -}}{{- end -}}
{{- end -}}
{{- $everywhere := ternary "::/0" "0.0.0.0/0" (eq .Values.network.ipFamily "IPv6") -}}
{{- if .Values.networkPolicy.outside -}}
{{- toYaml .Values.networkPolicy.outside -}}
{{- else if or $exposed (not .Values.discovery.enabled) -}}
{{- toYaml (list $everywhere) -}}
{{- else -}}
[]
{{- end -}}
{{- end }}
