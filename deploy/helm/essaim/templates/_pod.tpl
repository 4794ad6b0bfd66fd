{{/* Settings of a node as environment: (dict "root" $ "component" "relay"). */}}
{{- define "essaim.env" -}}
{{- $v := .root.Values -}}
{{- $c := index $v .component -}}
{{- $prefix := printf "ESSAIM_%s_" (upper .component) -}}
{{- $any := ternary "[::]" "0.0.0.0" (eq $v.network.ipFamily "IPv6") -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- if eq $c.exposure.type "HostPort" }}
- name: HOST_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
{{- end }}
- name: {{ $prefix }}DATA_DIR
  value: /var/lib/essaim
- name: {{ $prefix }}GENESIS
  value: /etc/essaim/genesis/genesis.bin
- name: {{ $prefix }}LISTEN
  value: {{ printf "%s:%d" $any (int $c.port) | quote }}
- name: {{ $prefix }}METRICS
  value: {{ printf "%s:%d" $any (int $v.metrics.port) | quote }}
{{- if eq $c.exposure.type "None" }}
- name: {{ $prefix }}ADVERTISED
  value: {{ include "essaim.address" (dict "values" $v "ip" "$(POD_IP)" "port" $c.port) | quote }}
{{- else if eq $c.exposure.type "HostPort" }}
- name: {{ $prefix }}ADVERTISED
  value: {{ include "essaim.address" (dict "values" $v "ip" "$(HOST_IP)" "port" $c.exposure.port) | quote }}
{{- else }}
- name: {{ $prefix }}SECRETS # the file "advertised" of this pod
  value: /etc/essaim/settings
{{- end }}
{{- if ne .component "discovery" }}
- name: {{ $prefix }}DISCOVERY
  value: {{ include "essaim.discoveryAddress" .root | quote }}
{{- if include "essaim.operatorSecret" .root }}
- name: {{ $prefix }}OPERATOR_KEY
  value: /etc/essaim/operator/operator.key
{{- end }}
{{- end }}
- name: {{ $prefix }}DRAIN_SECONDS
  value: {{ $v.drainSeconds | quote }}
- name: {{ $prefix }}LOG_LEVEL
  value: {{ $v.logLevel | quote }}
{{- if and (eq .component "discovery") (include "essaim.agent" .root) }}
- name: {{ $prefix }}AGENT_SELECTOR
  value: {{ printf "app.kubernetes.io/name=%s,app.kubernetes.io/instance=%s" (include "essaim.name" .root) .root.Release.Name | quote }}
- name: {{ $prefix }}AGENT_LEASE
  value: {{ include "essaim.componentName" . }}
{{- end }}
{{- if eq .component "storage" }}
- name: {{ $prefix }}RETIRE_SECONDS
  value: {{ $c.retireSeconds | quote }}
- name: {{ $prefix }}RETIRE_NOTICE_SECONDS # until the view can say that it leaves: two views, and the agent's look
  value: {{ min 60 (add 5 (div (mul 2 (int $v.network.viewMinIntervalMs)) 1000)) | quote }}
{{- end }}
{{- with $v.operatorId }}
- name: {{ $prefix }}OPERATOR_ID
  value: {{ . | quote }}
{{- end }}
{{- with $v.region }}
- name: {{ $prefix }}REGION
  value: {{ . | quote }}
{{- end }}
{{- if eq .component "opengroup" }}
{{- include "essaim.opengroupEnv" .root }}
{{- end }}
{{- if eq .component "push" }}
{{- include "essaim.pushEnv" .root }}
{{- end }}
{{- range $name, $value := $c.settings }}
- name: {{ $prefix }}{{ upper $name }}
  value: {{ ternary $value ($value | toJson) (kindIs "string" $value) | quote }}{{/* a number without an exponent */}}
{{- end }}
{{- end }}

{{- define "essaim.pushEnv" -}}
{{- $p := .Values.push }}
{{- if $p.database.secret }}
- name: ESSAIM_PUSH_DATABASE
  valueFrom: {secretKeyRef: {name: {{ $p.database.secret }}, key: {{ $p.database.key }}}}
{{- end }}
{{- if $p.hostKey.secret }}
- name: ESSAIM_PUSH_HOST_KEY
  value: /etc/essaim/host/host-key
{{- end }}
{{- range $setting, $key := dict "WEB_PUSH_KEY" $p.providers.webPushKey "APNS_KEY" $p.providers.apnsKey "FCM_ACCOUNT" $p.providers.fcmAccount "PROVIDER_CA" $p.providers.ca }}
{{- if $key }}
- name: ESSAIM_PUSH_{{ $setting }}
  value: /etc/essaim/providers/{{ $key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "essaim.opengroupEnv" -}}
{{- $o := .Values.opengroup }}
{{- if $o.database.secret }}
- name: ESSAIM_OPENGROUP_DATABASE
  valueFrom: {secretKeyRef: {name: {{ $o.database.secret }}, key: {{ $o.database.key }}}}
{{- end }}
{{- if $o.hostKey.secret }}
- name: ESSAIM_OPENGROUP_HOST_KEY
  value: /etc/essaim/host/host-key
{{- end }}
{{- if $o.page.enabled }}
- name: ESSAIM_OPENGROUP_PAGE
  value: {{ printf "%s:%d" (ternary "[::]" "0.0.0.0" (eq .Values.network.ipFamily "IPv6")) (int $o.page.port) | quote }}
{{- end }}
{{- end }}

{{/*
Before Kubernetes kills: leaving and telling peers get 5 seconds each, calls under way drainSeconds. A storage node that is
retired serves on until its data has moved; one that will be back ends as fast as the others.
*/}}
{{- define "essaim.graceSeconds" -}}
{{- $retire := ternary (add 60 .root.Values.storage.retireSeconds) 0 (eq .component "storage") -}}
{{ add .root.Values.drainSeconds $retire 20 }}
{{- end }}

{{/* The database may replay a long log before the port opens; NOT_SERVING while discovery is away is no reason to kill. */}}
{{- define "essaim.probes" -}}
{{- $c := index .root.Values .component -}}
startupProbe:
  tcpSocket: {port: grpc}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  tcpSocket: {port: grpc}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  {{- if eq .root.Values.probes "grpc" }}
  grpc: {port: {{ $c.port }}, mode: TLS}
  {{- else }}
  exec:
    command: [/opt/essaim/bin/python, -I, -S, /etc/essaim/scripts/ready.py, {{ $c.port | quote }}, /var/lib/essaim/tls.der]
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- define "essaim.volumeMounts" -}}
{{- $c := index .root.Values .component -}}
- {name: data, mountPath: /var/lib/essaim}
- {name: genesis, mountPath: /etc/essaim/genesis, readOnly: true}
- {name: scripts, mountPath: /etc/essaim/scripts, readOnly: true}
{{- if eq .component "discovery" }}
{{- range list "identity.key" "tls.key" "tls.der" "authority.key" "admission.txt" }}
- {name: authority, mountPath: /var/lib/essaim/{{ . }}, subPath: {{ . }}, readOnly: true}
{{- end }}
{{- else if include "essaim.operatorSecret" .root }}
- {name: operator, mountPath: /etc/essaim/operator, readOnly: true}
{{- end }}
{{- if and (has .component (list "opengroup" "push")) ($c.hostKey | default dict).secret }}
- {name: host-key, mountPath: /etc/essaim/host, readOnly: true}
{{- end }}
{{- if and (eq .component "push") $c.providers.secret }}
- {name: providers, mountPath: /etc/essaim/providers, readOnly: true}
{{- end }}
{{- if has $c.exposure.type (list "NodePort" "LoadBalancer") }}
- {name: addresses, mountPath: /etc/essaim/settings/advertised, subPathExpr: $(POD_NAME), readOnly: true}
{{- end }}
{{- end }}

{{- define "essaim.volumes" -}}
{{- $c := index .root.Values .component -}}
- name: genesis
  configMap:
    name: {{ include "essaim.genesisConfigMap" .root }}
    items: [{key: genesis.bin, path: genesis.bin}]
- name: scripts
  configMap:
    name: {{ include "essaim.fullname" .root }}-scripts
{{- if eq .component "discovery" }}
- name: authority
  secret:
    secretName: {{ include "essaim.authoritySecret" .root }}
    defaultMode: 0440
{{- else if include "essaim.operatorSecret" .root }}
- name: operator
  secret:
    secretName: {{ include "essaim.operatorSecret" .root }}
    items: [{key: operator.key, path: operator.key}]
    defaultMode: 0440
{{- end }}
{{- if and (has .component (list "opengroup" "push")) ($c.hostKey | default dict).secret }}
- name: host-key
  secret:
    secretName: {{ $c.hostKey.secret }}
    items: [{key: {{ $c.hostKey.key }}, path: host-key}]
    defaultMode: 0440
{{- end }}
{{- if and (eq .component "push") $c.providers.secret }}
- name: providers
  secret:
    secretName: {{ $c.providers.secret }}
    defaultMode: 0440
{{- end }}
{{- if has $c.exposure.type (list "NodePort" "LoadBalancer") }}
- name: addresses
  configMap:
    name: {{ include "essaim.componentName" . }}-addresses
{{- end }}
{{- end }}

{{- define "essaim.spread" -}}
{{- $c := index .root.Values .component -}}
{{- range $key, $topology := dict "hostname" "kubernetes.io/hostname" "zone" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $topology }}
  whenUnsatisfiable: {{ index $c.spread $key }}
  labelSelector:
    matchLabels:
      {{- include "essaim.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
