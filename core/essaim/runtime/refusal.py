"""Why a node does not start."""


class StartError(Exception):
    """One sentence for the operator, without secrets; the process ends with exit code 2."""
