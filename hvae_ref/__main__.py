"""The command line: `python -m hvae_ref train|evaluate|sample|info`, over the package's recipes.

Trains on several processes too, on CPUs and on GPUs: `torchrun --nproc_per_node 2 -m hvae_ref train digits-vae --out
runs/a`. `accelerate launch` does the same on GPUs; on CPUs it starts a single process, which is refused.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from hvae_ref.cli import commands


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    top = _Parser(prog="python -m hvae_ref", description="Train, measure and sample hierarchical VAEs.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="train|evaluate|sample|info")

    train = subparsers.add_parser("train", help="train a recipe and keep checkpoints in a folder")
    train.add_argument("recipe", help="name of a recipe (see info), or a .toml or .json file")
    train.add_argument("--out", metavar="DIR", help="folder for the checkpoint and the history (runs/RECIPE)")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="such as training.epochs=3"
    )
    train.add_argument("--seed", type=int, help="instead of the recipe's training.seed")
    train.add_argument("--tensorboard", action="store_true", help="write scalars for TensorBoard into the folder")
    again = train.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    again.add_argument("--overwrite", action="store_true", help="replace the run in that folder")
    train.set_defaults(run=commands.train)

    evaluate = subparsers.add_parser("evaluate", help="measure a checkpoint and write the numbers as JSON")
    evaluate.add_argument("checkpoint", help="a checkpoint, or the folder of a run")
    evaluate.add_argument("--iwae", type=int, metavar="K", help="samples of the importance-weighted bound")
    evaluate.add_argument("--split", choices=("train", "validation", "test"), help="instead of the recipe's")
    evaluate.add_argument("--out", metavar="FILE", help="instead of evaluation-SPLIT.json beside the checkpoint")
    evaluate.set_defaults(run=commands.evaluate)

    sample = subparsers.add_parser("sample", help="draw images or responses from a checkpoint")
    sample.add_argument("checkpoint", help="a checkpoint, or the folder of a run")
    sample.add_argument("--out", required=True, metavar="FILE", help="a .png with a picture, or a .npz with the arrays")
    sample.add_argument("--n", type=int, default=64, help="how many (64)")
    sample.add_argument("--temperature", type=float, default=1.0, help="scale of the Gaussian priors (1.0)")
    sample.add_argument("--fix", action="append", default=[], metavar="LEVEL", help="one draw of a level for all")
    sample.add_argument("--seed", type=int, default=0, help="of all draws (0)")
    sample.add_argument(
        "--condition",
        metavar="NAME=VALUE,…",
        help="for a conditional model: label=3 (without it, all labels in turn), or for responses level=70,sex=1 "
        "(what is left open is the data's median)",
    )
    sample.set_defaults(run=commands.sample)

    info = subparsers.add_parser("info", help="list the recipes, or describe a recipe or checkpoint")
    info.add_argument("what", nargs="?", help="name of a recipe, a .toml or .json file, a checkpoint or a run's folder")
    info.set_defaults(run=commands.info)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, or None for those of the process.

    Returns:
        0, or 2 after an error, which is told in one line on stderr.
    """
    arguments = vars(parser().parse_args(argv))
    run = arguments.pop("run")
    arguments.pop("command")
    try:
        run(**arguments)
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
        # All processes of a group meet the same error; the first one tells it.
        if os.environ.get("RANK", "0") == "0":
            print("hvae_ref: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hvae_ref: stopped; train again with --resume to go on from the last epoch", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
