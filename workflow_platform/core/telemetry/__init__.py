"""Telemetry for the operator's own tools: trace contexts, and the settings of the OpenTelemetry collector.

Other packages use `trace_context`, which is pure, `exporting`, which knows whether and where traces are exported, and
`protobuf`.
"""
