"""For an analyst: read the figures of the last day and write them as a small Markdown report.

It reads ``GET /fairness``, which needs decisions with declared groups (examples/app_developer.py sends two).
Start the demo first (``make serve``), then: ``python examples/analyst.py > fairness.md``.
"""

import json
import os
import urllib.request

URL = os.environ.get("EVENHAND_URL", "http://localhost:8000")
HOURS = int(os.environ.get("HOURS", "24"))


def fairness() -> dict:
    """Return the reply of ``/fairness``."""
    key = os.environ.get("EVENHAND_API_KEY")  # a key with the scope audit
    headers = {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{URL}/fairness?hours={HOURS}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def percent(rate: dict) -> str:
    """Write a rate with its n and 95 % interval, in per cent."""
    if rate["value"] is None:
        return "no data"
    value, low, high = (100 * rate[name] for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f}, n {rate['n']})"


def main() -> None:
    """Print the report: verdicts first, then favourable answers per group before and after correction."""
    reply = fairness()
    print(f"# {reply['model']} {reply['version']}, last {HOURS} hours\n")
    for attribute in reply["attributes"]:
        declared = attribute["sources"]["declared"]
        print(f"## {attribute['attribute']}: {declared['rows']} rows with a declared group\n")
        for metric in declared["metrics"]:
            print(f"- {metric['metric']}: **{metric['verdict']}**. {metric['why']}")
        print("\n| group | favourable answers, %: base | corrected |\n|---|---|---|")
        for group in declared["groups"]:
            rate = group["selection_rate"]
            print(f"| {group['group']} | {percent(rate['base'])} | {percent(rate['final'])} |")
        print()


if __name__ == "__main__":
    main()
