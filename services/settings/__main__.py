"""`python -m services.settings`: writes docs/settings.md."""

from services.settings import PROJECT_ROOT, as_markdown

if __name__ == "__main__":
    (PROJECT_ROOT / "docs" / "settings.md").write_text(as_markdown())
