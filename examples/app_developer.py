"""For an application developer: ask for predictions, act on them, and send the true labels later.

Standard library only. Start the demo first (``make serve``), then: ``python examples/app_developer.py``.
"""

import json
import os
import urllib.request

URL = os.environ.get("EVENHAND_URL", "http://localhost:8000")
MODEL = "hate-speech"  # where one model is served, it need not be named
HEADERS = {"content-type": "application/json"}
if "EVENHAND_API_KEY" in os.environ:  # a service that others reach asks for a key
    HEADERS["authorization"] = f"Bearer {os.environ['EVENHAND_API_KEY']}"


def post(path: str, body: object) -> dict:
    """Send JSON and return the JSON of the reply; an error status raises ``urllib.error.HTTPError``."""
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def main() -> None:
    """Predict three posts, one of them empty, and send what a moderator decided."""
    posts = ["muslims are welcome here", "have a nice day", ""]
    # Groups are declared where you know them; they never change an answer.
    groups = [{"religion": "mentioned"}, {"religion": "not mentioned"}, {}]
    body = {"model": MODEL, "inputs": posts, "groups": groups}
    predictions = post("/predict", body)["predictions"]
    feedback = []
    for text, prediction in zip(posts, predictions, strict=True):
        if prediction.get("error"):  # one bad item costs the others nothing
            print(f"{text!r}: no answer: {prediction['error']['message']}")
            continue
        note = f" (without Evenhand: {prediction['base']['label']})" if prediction["corrected"] else ""
        print(f"{text!r}: {prediction['label']}, score {prediction['score']:.2f}{note}")
        feedback.append({"id": prediction["id"], "label": "not hate"})  # in real life: days later
    for result in post("/feedback", {"feedback": feedback})["results"]:
        print(f"feedback for {result['id']}: {result['result']}")


if __name__ == "__main__":
    main()
