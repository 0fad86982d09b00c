"""All measurements of the book, one after the other: hours on two cores, and a run that is recorded is not repeated.

python -m benchmarks                    all of them, in the order of `STUDIES`
python -m benchmarks iwae_cost          these alone
python -m benchmarks --list             what there is
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# Each is a script beside this file, and its arguments; the quick ones stand first.
STUDIES: dict[str, list[list[str]]] = {
    "iwae_cost": [[]],
    "training_overhead": [[]],
    "flow_times": [[]],
    "vmf_sampling": [[]],
    "density_scaling": [[]],
    "chapter1_repairs": [[]],
    "feature_density": [[]],
    "anomaly_localisation": [[]],
    "digits_study": [[]],
    "two_level_study": [["objectives", "inference", "decoder"], ["suspects", "longer", "chain", "--seeds", "3"]],
    "posterior_study": [[]],
    "posterior_gaps": [[]],
    "convolutional_study": [[]],
    "levels_study": [["--seeds", "5"]],
    "sphere_study": [[]],
    "abr_study": [[]],
    "latent_density": [[]],
    "feature_synthesis": [["--ship"]],
}


def main() -> int:
    """Run the studies named on the command line, or all of them; answer the first failure's exit status, or 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", metavar="study", help=f"{', '.join(STUDIES)}; all by default")
    parser.add_argument("--list", action="store_true", help="print the commands and run none")
    options = parser.parse_args()
    if unknown := [name for name in options.studies if name not in STUDIES]:
        parser.error(f"unknown study {unknown[0]!r}; expected {', '.join(STUDIES)}")
    root = FOLDER.parent
    # The package of this checkout, whatever else is installed.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    for name in options.studies or STUDIES:
        for arguments in STUDIES[name]:
            command = [f"benchmarks/{name}.py", *arguments]
            print("== python " + " ".join(command), flush=True)
            if options.list:
                continue
            ended = subprocess.run([sys.executable, *command], cwd=root, env=environment).returncode
            if ended:
                return ended
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
