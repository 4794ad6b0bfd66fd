"""The Kubernetes agent: shows the view as ServiceNode resources, and retires nodes whose pods do not come back.

Decisions are pure (`scene`, `homes`, `retiring`, `mirror`, `lease`); the rest asks and tells the API server. What is
decided, and by what a node is known to be a pod's: docs/operations/kubernetes.md, docs/adr/0013.
"""
