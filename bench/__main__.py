"""`bench/run`: measures row after row, prints the table, and with --write puts it into bench/README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from bench import machine, stage, tables
from bench.measuring import Row, show
from bench.rows import container_start, image_pull, log_throughput, many_pods, pod_delete, pod_start, probes, steps, tcp

ROWS = {
    "container-start": container_start.measure,
    "pod-start": pod_start.measure,
    "steps": steps.measure,
    "pod-delete": pod_delete.measure,
    "many-pods": many_pods.measure,
    "log-throughput": log_throughput.measure,
    "tcp": tcp.measure,
    "probes": probes.measure,
    "image-pull": image_pull.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs: shows that it works, not how fast")
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("cannot measure: must be run as root (hint: sudo make bench)", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up, as Ctrl-C does
    rows: list[Row] = []
    try:
        with stage.opened(quick=options.quick) as ready:
            for name in options.only:
                show(name)
                rows.extend(ROWS[name](ready))
    finally:  # what was measured until something went wrong is worth showing, too
        figures = f"{machine.facts()}\n{tables.table(rows)}"
        print(figures)
    if options.write:
        tables.write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
