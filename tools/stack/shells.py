"""A MySQL shell, and the links to what has a page of its own."""

import os
import sys
import webbrowser
from typing import Final

from tools.stack.engine import Stack
from tools.stack.folder import StackFolder
from tools.stack.refusal import Refusal

_PAGES: Final = {"grafana": 3000, "kafka-ui": 8080}


def mysql(query: str) -> int:
    """The mysql client in its container, as the people's user; ``query`` instead of a prompt."""
    folder = StackFolder()
    known, stack = folder.environment(), Stack(folder)
    password = known.get("MYSQL_PASSWORD")
    if password is None:
        raise Refusal(f"{folder.environment_file} is not there, and in it the password: `make up` writes it")
    os.environ["MYSQL_PWD"] = password
    command = ["mysql", f"--user={known.get('MYSQL_USER', 'admin')}", *(["--execute", query] if query else [])]
    return stack.execute(
        stack.find("mysql"), [*command, known.get("MYSQL_DATABASE", "ecommerce")], ["MYSQL_PWD"], terminal=not query
    )


def page(role: str) -> int:
    """Prints the link of a part with a page, and opens it where there is somebody to look at it."""
    folder = StackFolder()
    stack, known = Stack(folder), folder.environment()
    if all(container.role != role for container in stack.existing()):
        if known.get("MILLRACE_IMAGES") == "local":
            raise Refusal(
                f"{role} is left out of the local image set: it can be had from an image registry only "
                '(`make clean`, for the data cannot be kept, then `make up CONFIG="images=upstream"`)'
            )
        raise Refusal(f"this stack has no {role}: `make up` makes what is missing")
    link = f"http://{stack.published(stack.find(role), _PAGES[role])}"
    print(link)
    if role == "grafana":
        print(f"user admin; the password is GRAFANA_ADMIN_PASSWORD in {folder.environment_file}")
    if sys.stdout.isatty():
        webbrowser.open(link)
    return 0
