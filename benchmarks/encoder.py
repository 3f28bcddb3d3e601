"""Print what the shipped video encoder knows of clips it never saw: `python benchmarks/encoder.py DATA`.

DATA is the folder that `wmeval data make --split train` wrote for the training of the encoder; its last clips
were held out. The second table puts graded faults into true clips: a distance is fit for use where it grows
along each row.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wmeval_probes.encoder.evaluate import evaluate
from wmeval_probes.encoder.extractor import open_encoder
from wmeval_probes.encoder.windows import open_dataset


def main() -> None:
    """Print both tables as Markdown."""
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} DATA [WEIGHTS]")
    encoder = open_encoder(Path(sys.argv[2]) if len(sys.argv) == 3 else None)
    found = evaluate(encoder, open_dataset(Path(sys.argv[1])))
    print(f"{encoder.name}, {found['clips']} held-out clips\n\n| what | value |\n|---|---|")
    for name, value in found["told"].items():
        print(f"| {name} | {value:.3f} |")
    none = found["ladders"].pop("none")
    print(f"\nTwo halves of the true clips: fvd {none['fvd']:.2f}, kvd {none['kvd']:.3f}\n")
    print("| fault | strength | fvd | kvd | lpips |\n|---|---|---|---|---|")
    for name, rows in found["ladders"].items():
        for i, strength in enumerate(rows["strength"]):
            print(
                f"| {name} | {strength} | "
                + " | ".join(f"{rows[k][i]:.4f}" for k in ("fvd", "kvd", "lpips"))
                + " |"
            )


if __name__ == "__main__":
    main()
