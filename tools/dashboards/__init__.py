"""The Grafana dashboards of the chart, built with Grafana's typed SDK. `python -m dashboards` (in tools/) writes them.

A dashboard is rows of panels; each panel has a sentence that says what to see in it, a unit and, where a value is good
or bad, thresholds. All ask one data source, a variable, so that they fit any Grafana with a Prometheus.
"""
