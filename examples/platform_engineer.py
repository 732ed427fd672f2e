"""For a platform engineer: is the service ready, what does it serve, and switch every correction to shadow.

In shadow mode callers get the base model's answers, and the correction is still computed and counted.
Start the demo first (``make serve``), then: ``python examples/platform_engineer.py [off|shadow|apply]``.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("EVENHAND_URL", "http://localhost:8000")


def call(method: str, path: str, body: object = None) -> tuple[int, dict]:
    """Send a request; return the status and the JSON of the reply, of an error as well."""
    headers = {"content-type": "application/json"}
    if "EVENHAND_API_KEY" in os.environ:  # a key with the scope admin
        headers["authorization"] = f"Bearer {os.environ['EVENHAND_API_KEY']}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def main(mode: str) -> int:
    """Switch all models; return the exit code of the program."""
    status, health = call("GET", "/readyz")
    print(f"/readyz: {status} {health}")
    if status != 200:
        return 1
    for model in call("GET", "/models")[1]["models"]:
        status, reply = call("PUT", f"/models/{model['name']}/mode", {"mode": mode})
        print(f"{model['name']} {model['version']}: {status} {reply}")
        if status != 200:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "shadow"))
