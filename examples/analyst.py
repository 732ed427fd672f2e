"""For an analyst: read the figures of the last day and write them as a small Markdown report.

``GET /fairness`` needs decisions with declared groups (examples/app_developer.py sends two). Start the demo
first (``make serve``), then: ``python examples/analyst.py > fairness.md``. QUERY asks for others.
"""

import json
import os
from urllib.request import Request, urlopen

URL = os.environ.get("EVENHAND_URL", "http://localhost:8000")
QUERY = os.environ.get("QUERY", "model=hate-speech&hours=24")


def fairness() -> dict:
    """Return the reply of ``/fairness``."""
    key = os.environ.get("EVENHAND_API_KEY")  # a key with the scope audit
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with urlopen(Request(f"{URL}/fairness?{QUERY}", headers=headers), timeout=60) as reply:
        return json.load(reply)


def percent(rate: dict) -> str:
    """Write a rate with its n and 95 % interval, in per cent."""
    value, low, high = (f"{100 * (rate[name] or 0.0):.1f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high}, n {rate['n']})" if rate["n"] else "no data"


def main() -> None:
    """Print the report: the target first and who pays for it, then favourable answers per group."""
    reply = fairness()
    print(f"# {reply['model']} {reply['version']}, last {reply['window']['hours']} hours")
    for attribute in reply["attributes"]:
        name, declared = attribute["attribute"], attribute["sources"]["declared"]
        print(f"\n## {name}: {declared['rows']} rows with a declared group\n")
        if target := attribute["target"]:
            print(f"- Target, {target['words']}: **{target['verdict']}**. {target['why']}")
        for cell in declared["correction"]["losing"]:
            lost = f"{'surely ' * cell['surely']}loses {-100 * cell['value']:.1f} points of accuracy"
            print(f"- {cell['group']}, truly {cell['label']}, {lost}")
        for metric in [of for of in declared["metrics"] if of["role"] == "information"]:
            print(f"- For information, {metric['metric']}: {metric['why']}")
        print("\n| group | favourable answers, %: base | corrected |\n|---|---|---|")
        for group in declared["groups"]:
            rate = group["selection_rate"]
            print(f"| {group['group']} | {percent(rate['base'])} | {percent(rate['final'])} |")


if __name__ == "__main__":
    main()
