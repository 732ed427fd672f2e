"""For a data scientist: fit a bundle on real salaries and evaluate it, all by the command line.

Needs the extra ``train`` (``pip install -c constraints.txt -e '.[cpu,train]'``) and a few minutes.
Run it in an empty folder: ``python .../examples/data_scientist.py``.
"""

import json
import subprocess
from pathlib import Path

DATA = str(Path(__file__).resolve().parent / "data" / "government_salaries.parquet")


def evenhand(*arguments: str) -> None:
    """Run a command of Evenhand; an exit code other than 0 raises ``CalledProcessError``."""
    subprocess.run(["evenhand", *arguments], check=True)


def main() -> None:
    """Fit, evaluate, and print what the correction changed."""
    columns = ["--label", "salary", "--favourable", "over 50K", "--split", "split"]
    columns += ["--attribute", "hispanic_origin", "--reference", "hispanic_origin=no"]
    aim = ["--target", "worst-cell", "--method", "residual"]
    evenhand("fit", "--task", "table", "--data", DATA, *columns, *aim, "--out", "salaries")
    files = ["--out", "report.html", "--json", "report.json"]
    evenhand("evaluate", "salaries", "--data", DATA, "--split", "test", *files)
    with open("report.json") as file:
        accuracy = json.load(file)["figures"]["accuracy"]
    for side in ("base", "final"):
        print(f"accuracy, {side}: {accuracy[side]['value']:.3f} (n {accuracy[side]['n']})")
    print("answers mended: {mended}, broken: {broken}; see report.html".format_map(accuracy["difference"]))


if __name__ == "__main__":
    main()
