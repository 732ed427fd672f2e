"""For a data scientist: fit a bundle on a small table and evaluate it, all by the command line.

Needs the extra ``train`` (``pip install -c constraints.txt -e '.[cpu,train]'``) and a minute.
Run it in an empty folder: ``python .../examples/data_scientist.py``.
"""

import csv
import json
import random
import subprocess


def write_loans(path: str, rows: int = 1200) -> None:
    """Write loans where low incomes are risky for men and safe for women, who are a quarter of the rows."""
    chance = random.Random(0)
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["income", "debt", "job", "sex", "repaid"])
        for _ in range(rows):
            sex = chance.choices(["Male", "Female"], [0.75, 0.25])[0]
            job = chance.choice(
                ["nurse", "teacher", "clerk"] if sex == "Female" else ["smith", "driver", "clerk"]
            )
            income, debt = chance.gauss(40, 10), chance.gauss(10, 4)
            safe = (income - 40) / 10 * (1.0 if sex == "Male" else -0.4) - (debt - 10) / 4
            table.writerow([f"{income:.1f}", f"{debt:.1f}", job, sex, "yes" if safe > 0 else "no"])


def evenhand(*arguments: str) -> None:
    """Run a command of Evenhand; an exit code other than 0 raises ``CalledProcessError``."""
    subprocess.run(["evenhand", *arguments], check=True)


def main() -> None:
    """Fit, evaluate, and print what the correction changed."""
    write_loans("loans.csv")
    columns = ["--label", "repaid", "--favourable", "yes", "--attribute", "sex", "--reference", "sex=Male"]
    # Without a certificate the best setting is taken; run such a bundle in shadow mode before it decides.
    evenhand("fit", "--task", "table", "--data", "loans.csv", *columns, "--no-certificate", "--out", "loans")
    files = ["--out", "report.html", "--json", "report.json"]
    evenhand("evaluate", "loans", "--data", "loans.csv", "--split", "test", *files)
    with open("report.json") as file:
        accuracy = json.load(file)["figures"]["accuracy"]
    for side in ("base", "final"):
        print(f"accuracy, {side}: {accuracy[side]['value']:.3f} (n {accuracy[side]['n']})")
    print("answers mended: {mended}, broken: {broken}; see report.html".format_map(accuracy["difference"]))


if __name__ == "__main__":
    main()
