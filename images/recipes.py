"""What each image is made of, and the name that follows from it.

The tag of an image is a digest of everything that goes into it, its parent's tag included: an image whose tag the
engine does not have is missing or stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from images.errors import ImagesError
from images.files import PROJECT, Entry, Source, digest, entries, sha256
from images.locks import PYTHON, Locked, read_lock, target_environment
from images.plugins import check_plugins, find_plugins

__all__ = [
    "NAMES",
    "RECIPES",
    "Maven",
    "Recipe",
    "Wheels",
    "check_plugins",
    "reference",
]

REPOSITORY: Final = "millrace-local"
# Raise it when the same files would be made into another image than before.
_FORMAT: Final = "1"
_TAG_DIGITS: Final = 12


@dataclass(frozen=True)
class Maven:
    """Jars and archives that pom.xml in `folder` names and SHA256SUMS beside it holds them to."""

    folder: str
    # Not taken from the connector archives: the worker has its own, and one class must not come from two jars.
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wheels:
    """Packages of a lock: all of it, or those that `names`, a file with one a line, lists."""

    lock: str
    names: str = ""
    # From another lock: what builds the project's own package.
    build_lock: str = ""
    build_names: tuple[str, ...] = ()

    def packages(self, project: Path = PROJECT) -> list[Locked]:
        """What the locks name for the local images; raises ImagesError when a name is missing."""
        target = target_environment()
        names = (project / self.names).read_text(encoding="utf-8").split() if self.names else ()
        packages = read_lock(project / self.lock, target, names)
        if self.build_lock:
            known = {package.name for package in packages}
            build = read_lock(project / self.build_lock, target, self.build_names)
            packages += [package for package in build if package.name not in known]
        return packages


@dataclass(frozen=True)
class Recipe:
    """An image: its parent, its build context, and what is fetched on the host because a build cannot."""

    name: str
    disk: int  # MiB that it takes beside its parent, roughly
    sources: tuple[Source, ...]
    parent: str = ""
    parent_argument: str = "BASE_IMAGE"
    dockerfile: str = "Dockerfile"
    downloads: Maven | Wheels | None = None

    def files(self, project: Path = PROJECT) -> list[Entry]:
        """The files of the build context that are the project's own."""
        return entries(self.sources, project)


# The modules of the ClickHouse front and what they import of ours.
_FRONT: Final = (
    "__init__.py",
    "clients/__init__.py",
    "clients/named_sql.py",
    "embedded/__init__.py",
    "embedded/clickhouse",
    "embedded/lifetime.py",
)
_MILLRACE: Final = (
    "dashboards/web",
    "data/catalogue.json",
    "images/millrace",
    "pyproject.toml",
    "requirements/demo.lock",
    "requirements/services.lock",
    "schemas",
    "services",
)
# What builds the project's own package; images/millrace/Dockerfile names the same.
BACKEND: Final = ("editables", "hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")

RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("base", 80, (Source("images/local/base", ""),)),
        Recipe("mysql", 450, (Source("images/local/mysql", ""),), "base"),
        Recipe(
            "kafka",
            450,
            (Source("images/local/kafka", ""),),
            "base",
            downloads=Maven(
                "images/local/kafka",
                ("*.md", "*.txt", "connect-api-*", "kafka-clients-*", "slf4j-api-*", "lz4-*", "snappy-*", "zstd-*"),
            ),
        ),
        Recipe("prometheus", 200, (Source("images/local/prometheus", ""),), "base"),
        Recipe("python", 40, (Source("images/local/python", ""),), "base"),
        Recipe(
            "clickhouse",
            650,
            (
                Source("images/local/clickhouse", ""),
                *(Source.same(f"services/{path}") for path in _FRONT),
            ),
            "python",
            "PYTHON_IMAGE",
            downloads=Wheels("requirements/demo.lock", names="images/local/clickhouse/packages.txt"),
        ),
        Recipe(
            "millrace",
            250,
            tuple(map(Source.same, _MILLRACE)),
            "python",
            "PYTHON_IMAGE",
            "images/millrace/Dockerfile",
            Wheels("requirements/services.lock", "", "requirements/demo.lock", BACKEND),
        ),
        Recipe("connect", 100, (Source("images/local/connect", ""),), "kafka", "KAFKA_IMAGE"),
    )
}
NAMES: Final = tuple(RECIPES)


def reference(name: str, connect_plugins: Path | None = None, project: Path = PROJECT) -> str:
    """The full name of the local image `name`, `millrace-local/NAME:DIGEST`.

    `connect_plugins` is the folder of plugin archives that `connect` is made of, and needed for that image alone.

    Raises:
        PluginsError: the folder is no folder or holds no archive.
        ImagesError: there is no such image, or a file of the project that it is made of is missing.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ImagesError(f"there is no image {name}: there are {', '.join(NAMES)}")
    made_of = {"format": _FORMAT, "recipe": repr((recipe.parent_argument, recipe.dockerfile, recipe.downloads))}
    if isinstance(recipe.downloads, Wheels):
        made_of |= {"python": PYTHON, "packages": "\n".join(map(str, recipe.downloads.packages(project)))}
    if recipe.parent:
        made_of["parent"] = reference(recipe.parent, project=project)
    if name == "connect":
        if connect_plugins is None:
            raise ImagesError("the image connect is made of a folder of plugin archives: name one (--connect-plugins)")
        made_of |= {plugin.archive.name: sha256(plugin.archive) for plugin in find_plugins(connect_plugins)}
    return f"{REPOSITORY}/{name}:{digest(recipe.files(project), made_of)[:_TAG_DIGITS]}"
