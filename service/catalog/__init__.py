"""The served models: versions, roles, reload, shadow, and the operator's switches."""
