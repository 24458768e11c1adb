"""Where the project's own files are: the checkout (or image folder) that holds ``services`` and ``schemas``."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEMO_DATA = PROJECT_ROOT / "var" / "demo"
DEMO_ENV_FILE = "millrace.env"
STACK_DATA = PROJECT_ROOT / "var" / "stack"
STACK_ENV_FILE = "millrace.env"
