"""Where things lie."""

from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent
BUILD = BENCHMARKS / ".build"
PEERS_ENVIRONMENT = BENCHMARKS / ".venv-peers"
README = BENCHMARKS / "README.md"
