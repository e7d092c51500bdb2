"""The code version of a stage: a digest of its script and of every project module it can reach.

An edited script, or an edited module it imports, makes the stage run again;
comments, docstrings and formatting do not. No stage reads its docstrings: the
one that a model is shown, of the agent's tool, must equal the constant
`trajectories.agent_chat.TOOLS`. Installed packages are not part of it: a new
torch reuses old artifacts until a person says otherwise (`make clean`).
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from agentworld_dag.errors import ConfigError

PACKAGE = "agentworld_dag"
ROOT = Path(__file__).parent
RUNNING = (
    *("stage", "process", "stopping", "exit_codes", "artifacts", "tracking"),
    *("errors", "code_version", "home", "cost", "prices", "ranks", "arguments"),
    *(f"lake.{name}" for name in ("digests", "fetching", "manifest", "publishing", "refusals", "remote", "shared")),
    "lake.unfinished",
)
"""How a stage is run, recorded, priced and versioned, and where it finds and leaves artifacts."""
SETTINGS = (
    *("config", "compute", "settings", "agents.settings", "benchmark.settings"),
    *("monitoring.settings", "scale.settings", "serving.settings", "training.settings"),
)
"""The types of settings; the values that a stage reads are in its fingerprint (`assets.recipe`)."""
UNVERSIONED = frozenset(f"{PACKAGE}.{name}" for name in RUNNING + SETTINGS)
"""What these say does not change what a stage makes."""


@cache
def code_version(module: str) -> str:
    """Twelve hex digits. Raises ConfigError when the module has no source in this package."""
    digest = hashlib.sha256()
    for name in sorted(reachable(module)):
        digest.update(name.encode() + _shape(name).encode())
    return digest.hexdigest()[:12]


def reachable(module: str) -> set[str]:
    """The project modules that `module` imports, directly or through others, itself included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in UNVERSIONED:
            found.add(name)
            waiting += _imports(name)
    return found


@cache
def _imports(module: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name for name in inner if _file(name)} or {node.module}
    return frozenset(name for name in names if name.split(".")[0] == PACKAGE)


@cache
def _shape(module: str) -> str:
    return ast.dump(_tree(module))


class _Undocumented(ast.NodeTransformer):
    """Leaves out strings that are statements: docstrings of modules, classes, functions and attributes."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise ConfigError(f"{module} has no source file below {ROOT}; name a module of {PACKAGE}")
    return _Undocumented().visit(ast.parse(path.read_text()))


def _file(module: str) -> Path | None:
    package, _, rest = module.partition(".")
    if package != PACKAGE:
        return None
    path = ROOT.joinpath(*rest.split(".")) if rest else ROOT
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
