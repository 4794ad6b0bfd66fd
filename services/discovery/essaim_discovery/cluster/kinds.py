"""Where the API server has the kinds of objects that the agent minds: group and version, then the plural."""

from typing import Final

STATEFUL_SETS: Final = "apis/apps/v1/statefulsets"
PODS: Final = "api/v1/pods"
CLAIMS: Final = "api/v1/persistentvolumeclaims"
EVENTS: Final = "api/v1/events"
LEASES: Final = "apis/coordination.k8s.io/v1/leases"
SERVICE_NODES: Final = "apis/essaim.network/v1alpha1/servicenodes"
