"""`python -m tests.mutations [--only NAME] [--list] [--docs]`: exit 1 when a mutant survives or is none."""

import argparse
import sys
import time

from tests.mutations.document import DOCUMENT_PATH, document
from tests.mutations.runner import Verdict, run_all
from tests.mutations.table import MUTATIONS
from tests.mutations.workspace import ROOT


def main() -> int:
    """Take out the defences asked for, one at a time, and print what noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("--only", action="append", choices=[one.name for one in MUTATIONS], help="repeatable")
    parser.add_argument("--list", action="store_true", help="print the table and run nothing")
    parser.add_argument("--docs", action="store_true", help=f"write {DOCUMENT_PATH} and run nothing")
    options = parser.parse_args()
    if options.docs:
        (ROOT / DOCUMENT_PATH).write_text(document(), encoding="utf-8")
        return 0
    chosen = [one for one in MUTATIONS if not options.only or one.name in options.only]
    width = max(len(one.name) for one in chosen)
    if options.list:
        for one in chosen:
            print(f"{one.name:{width}}  {', '.join(one.faults) or 'halt':12}  {one.defence}")
        return 0
    began_s, bad = time.monotonic(), 0
    for found in run_all(chosen):
        bad += found.verdict is not Verdict.CAUGHT
        print(f"{found.mutation.name:{width}}  {found.verdict:8}  {found.words[0]}", flush=True)
        for words in found.words[1:]:
            print(" " * (width + 12) + words)
    print(f"{len(chosen) - bad} of {len(chosen)} caught in {time.monotonic() - began_s:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
