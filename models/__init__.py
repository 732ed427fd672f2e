"""What a fair classifier is. Imports nothing: `evenhand.models.bundle.bundle` must not pull in torch."""

import os

# Packages of ONNX Runtime since 1.29 report their use to Microsoft unless this is set before they are
# imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
