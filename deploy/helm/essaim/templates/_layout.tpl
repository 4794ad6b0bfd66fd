{{/* What can never work is refused here, with a sentence, before anything is installed. */}}
{{- define "essaim.checkLayout" -}}
{{- $v := .Values -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- if semverCompare (printf "<%s-0" $v.minimumKubernetesVersion) $version -}}
{{- fail (printf "Kubernetes %s is older than %s, the oldest that this chart is made for (minimumKubernetesVersion)." $version $v.minimumKubernetesVersion) -}}
{{- end -}}
{{- if eq (include "essaim.components" . | trim) "" -}}
{{- fail "Nothing is enabled: enable discovery, relay, storage, opengroup or push." -}}
{{- end -}}
{{- include "essaim.checkNetwork" . -}}
{{- if $v.discovery.enabled -}}
{{- include "essaim.checkNodes" . -}}
{{- else if not $v.discovery.address -}}
{{- fail "discovery.enabled is false: say in discovery.address which discovery the nodes join (ip:port)." -}}
{{- end -}}
{{- include "essaim.checkOpengroup" . -}}
{{- include "essaim.checkPush" . -}}
{{- include "essaim.checkShrinking" . -}}
{{- range include "essaim.components" . | fromYamlArray -}}
{{- include "essaim.checkExposure" (dict "root" $ "component" .) -}}
{{- end -}}
{{- end }}

{{- define "essaim.checkNetwork" -}}
{{- $n := .Values.network -}}
{{- $g := .Values.genesis -}}
{{- if or (gt (int $n.swarm.minimum) (int $n.swarm.target)) (gt (int $n.swarm.target) (int $n.swarm.maximum)) -}}
{{- fail (printf "network.swarm.target is %d: it must lie between minimum (%d) and maximum (%d)." (int $n.swarm.target) (int $n.swarm.minimum) (int $n.swarm.maximum)) -}}
{{- end -}}
{{- if gt (mul 2 $n.swarm.minimum) (add 1 $n.swarm.maximum) -}}
{{- fail (printf "network.swarm.maximum is %d: a swarm that outgrows it could not be divided into two of at least %d (minimum)." (int $n.swarm.maximum) (int $n.swarm.minimum)) -}}
{{- end -}}
{{- if not (and (lt (int $n.uptimeSeconds) (int $n.awaySeconds)) (lt (int $n.awaySeconds) (int $n.dropSeconds))) -}}
{{- fail "network.uptimeSeconds must be less than awaySeconds, and awaySeconds less than dropSeconds." -}}
{{- end -}}
{{- if ge (int $n.freshSeconds) (int $n.validSeconds) -}}
{{- fail "network.freshSeconds must be less than validSeconds: a view is replaced before it expires." -}}
{{- end -}}
{{- if gt (int $n.viewMinIntervalMs) (mul 1000 $n.freshSeconds) -}}
{{- fail "network.viewMinIntervalMs must not be longer than freshSeconds." -}}
{{- end -}}
{{- if gt (int $n.x25519PeriodSeconds) (int $n.kemPeriodSeconds) -}}
{{- fail "network.x25519PeriodSeconds must not be longer than kemPeriodSeconds." -}}
{{- end -}}
{{- if and $g.create (not .Values.discovery.enabled) -}}
{{- fail "genesis.create founds a network, which needs discovery: set genesis.create to false and genesis.configMap, or enable discovery." -}}
{{- end -}}
{{- if and .Values.operatorId (include "essaim.operatorSecret" .) -}}
{{- fail "operatorId is the public key of genesis.operatorSecret (with genesis.create: of the key that founding makes): leave it empty." -}}
{{- end -}}
{{- if and (not $g.create) (not $g.configMap) -}}
{{- fail "genesis.create is false: name the ConfigMap with the network's genesis.bin in genesis.configMap." -}}
{{- end -}}
{{- if and (not $g.create) .Values.discovery.enabled (not $g.authoritySecret) -}}
{{- fail "genesis.create is false: name the Secret with the authority's keys in genesis.authoritySecret." -}}
{{- end -}}
{{- end }}

{{- define "essaim.checkNodes" -}}
{{- $v := .Values -}}
{{- if and $v.relay.enabled (lt (int $v.relay.replicas) 3) -}}
{{- fail (printf "relay.replicas is %d: a path has three relays." (int $v.relay.replicas)) -}}
{{- end -}}
{{- if and $v.storage.enabled (lt (int $v.storage.replicas) (int $v.network.swarm.minimum)) -}}
{{- fail (printf "storage.replicas is %d: the first swarm forms from network.swarm.minimum (%d) storage nodes." (int $v.storage.replicas) (int $v.network.swarm.minimum)) -}}
{{- end -}}
{{- end }}

{{- define "essaim.checkOpengroup" -}}
{{- $o := .Values.opengroup -}}
{{- if and $o.enabled (gt (int $o.replicas) 1) (not (and $o.database.secret $o.hostKey.secret)) -}}
{{- fail (printf "opengroup.replicas is %d: replicas of one host need opengroup.database.secret (PostgreSQL) and opengroup.hostKey.secret." (int $o.replicas)) -}}
{{- end -}}
{{- if and $o.enabled $o.database.secret .Values.networkPolicy.enabled (not $o.database.to) -}}
{{- fail "opengroup.database.to is empty: name where the database is (a list of NetworkPolicyPeer), or the pods could not reach it." -}}
{{- end -}}
{{- end }}

{{- define "essaim.checkPush" -}}
{{- $p := .Values.push -}}
{{- $shared := and $p.database.secret $p.hostKey.secret $p.providers.webPushKey -}}
{{- if and $p.enabled (gt (int $p.replicas) 1) (not $shared) -}}
{{- fail (printf "push.replicas is %d: replicas of one host need push.database.secret (PostgreSQL), push.hostKey.secret and push.providers.webPushKey." (int $p.replicas)) -}}
{{- end -}}
{{- if and $p.enabled $p.database.secret .Values.networkPolicy.enabled (not $p.database.to) -}}
{{- fail "push.database.to is empty: name where the database is (a list of NetworkPolicyPeer), or the pods could not reach it." -}}
{{- end -}}
{{- $named := or $p.providers.webPushKey $p.providers.apnsKey $p.providers.fcmAccount $p.providers.ca -}}
{{- if and $p.enabled $named (not $p.providers.secret) -}}
{{- fail "push.providers.secret is empty: name the Secret that has the keys which push.providers names." -}}
{{- end -}}
{{- end }}

{{- define "essaim.checkExposure" -}}
{{- $c := index .root.Values .component -}}
{{- $e := $c.exposure -}}
{{- $given := len $e.addresses -}}
{{- if and (has $e.type (list "None" "HostPort")) $given -}}
{{- fail (printf "%s.exposure.addresses means nothing with type %s: the address is that of the %s." .component $e.type (ternary "machine" "pod" (eq $e.type "HostPort"))) -}}
{{- end -}}
{{- if and (eq $e.type "NodePort") (not (or (eq $given 1) (eq $given (int $c.replicas)))) -}}
{{- fail (printf "%s.exposure.addresses has %d entries: NodePort needs one for all nodes, or one for each of the %d." .component $given (int $c.replicas)) -}}
{{- end -}}
{{- if and (eq $e.type "NodePort") (or (lt (int $e.port) 30000) (gt (add $e.port $c.replicas) 32768)) -}}
{{- fail (printf "%s.exposure.port is %d: %d node ports from there on must lie within 30000 to 32767." .component (int $e.port) (int $c.replicas)) -}}
{{- end -}}
{{- if and (eq $e.type "LoadBalancer") (ne $given (int $c.replicas)) -}}
{{- fail (printf "%s.exposure.addresses has %d entries: LoadBalancer needs one for each of the %d nodes, reserved beforehand, because each node signs its address." .component $given (int $c.replicas)) -}}
{{- end -}}
{{- end }}

{{/*
Discovery's agent retires who goes; without it a node that goes takes its copies along. The cluster is asked, so this is
of no effect where charts are rendered without one.
*/}}
{{- define "essaim.checkShrinking" -}}
{{- $s := .Values.storage -}}
{{- $name := include "essaim.componentName" (dict "root" . "component" "storage") -}}
{{- $had := lookup "apps/v1" "StatefulSet" .Release.Namespace $name -}}
{{- if and $had (not (include "essaim.agent" .)) -}}
{{- $wanted := ternary (int $s.replicas) 0 $s.enabled -}}
{{- if and (lt $wanted (int $had.spec.replicas)) (not $s.allowShrinking) -}}
{{- fail (printf "storage.replicas goes from %d to %d: without discovery.agent here nobody retires the nodes that go, and they take their copies along. Retire them first, then set storage.allowShrinking." (int $had.spec.replicas) $wanted) -}}
{{- end -}}
{{- end -}}
{{- end }}
