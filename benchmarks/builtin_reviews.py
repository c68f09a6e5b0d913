"""The demo's model on real reviews: fine-tuned on the 600 built-in ones alone, scored on NSMC's test rows.

    python benchmarks/builtin_reviews.py --corpora FOLDER [--folder FOLDER]

`--corpora` holds `nsmc/ratings_test.txt`. Printed: seconds of the demo (training, scoring, three answers), accuracy on
the built-in test split and on NSMC's test rows, each with its interval.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from ratsnlp.nlpbook.classification import NsmcCorpus
from ratsnlp.nlpbook.demo import run_demo
from ratsnlp.nlpbook.pipeline import load_predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--folder", type=Path, help="model folder; a finished demo in it is used  [default: a new one]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        start = time.perf_counter()
        run_demo("classification", folder, opens_page=False)
        seconds = time.perf_counter() - start
        built_in = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
        real = load_predictor(folder).evaluate(NsmcCorpus().get_examples(options.corpora / "nsmc", "test")).metrics()
    print(json.dumps({"demo_seconds": round(seconds, 1), "built_in": built_in, "nsmc": real}, indent=2))


if __name__ == "__main__":
    main()
