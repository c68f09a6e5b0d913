import re
import subprocess
import sys
from pathlib import Path

import pytest

import ratsnlp.nlpbook
import ratsnlp.nlpbook.classification
import ratsnlp.nlpbook.paircls
import ratsnlp.nlpbook.qa

PACKAGES = (ratsnlp.nlpbook, ratsnlp.nlpbook.classification, ratsnlp.nlpbook.paircls, ratsnlp.nlpbook.qa)

ROOT = Path(__file__).parent.parent


def test_the_generated_parts_of_the_readmes_are_current():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_every_exported_name_can_be_had(package):
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_the_package_itself_imports_nothing():
    code = "import sys, ratsnlp; print(sorted(n for n in sys.modules if n.startswith('ratsnlp')), ratsnlp.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['ratsnlp'] 2.")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "README.ko.md",
        "docs/architecture.md",
        "docs/check.md",
        "docs/devices.md",
        "docs/downloads.md",
        "docs/from-the-book.md",
        "docs/own-data.md",
        "docs/export.md",
        "docs/results.md",
        "docs/resume.md",
        "docs/serving.md",
        "CHANGELOG.md",
        "benchmarks/README.md",
    ],
)
def test_links_to_files_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target


def test_both_readmes_name_both_commands():
    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make demo" in text
        assert "make test" in text


def test_constraints_hold_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.!+-]+", line) for line in lines)
    assert "torch==2.13.0" in lines
