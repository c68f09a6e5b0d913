"""The table of faults in docs/downloads.md: what each fault of a server costs, and what comes of it.

    python benchmarks/download_faults.py

A loopback server publishes 8 MiB and fails as told. Printed, for each fault: requests made, MiB received, outcome. The
tests run the same and hold the table in docs/downloads.md to it.
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
os.environ["TQDM_DISABLE"] = "1"  # its bars would run through the table

from fault_server import FAULTS, measure, tabulate


def main() -> None:
    print("| fault | requests | MiB received | outcome |\n|---|---|---|---|")
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            print(tabulate(fault, measure(fault, Path(folder))))


if __name__ == "__main__":
    main()
