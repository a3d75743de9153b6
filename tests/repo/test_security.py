"""What the shipped code may not do: run data, build shell strings, unpickle, or reach for the network unasked."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from sources import ROOMS, ROOT, name, python_files, tree

RUNS_DATA = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "code", "codeop"}
NETWORK = {
    "socket",
    "urllib.request",
    "http.client",
    "http.server",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
}
# Where somebody asks for an upload; models are loaded by hub id only where a user gives one.
UPLOADS = {"datasets_scripts/writers.py", "distinctad/publish.py"}
SAFE_YAML = {"safe_load", "safe_dump"}


def called(node: ast.Call) -> str:
    """The dotted name of what is called."""
    parts: list[str] = []
    at: ast.expr = node.func
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    return ".".join(reversed([*parts, at.id])) if isinstance(at, ast.Name) else ".".join(["?", *reversed(parts)])


def _constant(node: ast.Call, argument: str) -> object:
    return next((getattr(k.value, "value", ...) for k in node.keywords if k.arg == argument), None)


def _wrong_call(node: ast.Call) -> str | None:
    what, last = called(node), called(node).rpartition(".")[2]
    if what in ("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"):
        return f"{what} runs data"
    if what in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"):
        return f"{what} runs a shell string"
    if _constant(node, "shell") not in (None, False):
        return "shell=True"
    if what.startswith("subprocess.") and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
        return "a command in one string"
    if what == "torch.load" and _constant(node, "weights_only") is not True:
        return "torch.load without weights_only=True unpickles"
    if _constant(node, "allow_pickle") not in (None, False):
        return "allow_pickle"
    if what.startswith("yaml.") and last not in SAFE_YAML:
        return f"{what} builds objects"
    if last in ("read_pickle", "extractall", "extract", "unpack_archive", "mktemp"):
        return f"{what} unpickles, unpacks or races"
    if last == "from_pretrained" and _constant(node, "trust_remote_code") not in (None, False):
        return "runs a checkpoint's own code"
    return None


def offences(module: ast.Module, where: str) -> Iterator[str]:
    """Names what a file may not hold."""
    for node in ast.walk(module):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and (wrong := _wrong_call(node)):
            yield f"{where}:{node.lineno} {wrong}"
        for imported in names:
            if imported.split(".")[0] in RUNS_DATA:
                yield f"{where} imports {imported}"
            if imported in NETWORK:
                yield f"{where} reaches for the network: {imported}"
            uploads = imported.startswith("huggingface_hub.") and imported.endswith(("HfApi", "upload_folder"))
            if uploads and where not in UPLOADS:
                yield f"{where} uploads: {imported}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_data_is_run_no_shell_string_built_no_network_reached(room: str) -> None:
    assert not [wrong for path in python_files(room) for wrong in offences(tree(path), name(path))]


@pytest.mark.parametrize(
    "code",
    [
        "eval(x)", "exec(x)", "compile(x, '', 'eval')", "import pickle", "from marshal import loads",
        "import os\nos.system('x')", "subprocess.run('ls', shell=True)", "subprocess.run(f'ls {x}')", "torch.load(f)",
        "torch.load(f, weights_only=False)", "np.load(f, allow_pickle=True)", "yaml.load(f)", "pd.read_pickle(f)",
        "tar.extractall(x)", "import socket", "from urllib import request", "from huggingface_hub import HfApi",
        "M.from_pretrained(f, trust_remote_code=True)",
    ],
)  # fmt: skip
def test_offences_are_seen(code: str) -> None:
    assert list(offences(ast.parse(code), "x.py"))


@pytest.mark.parametrize(
    "code",
    [
        "ast.literal_eval(x)", "model.eval()", "re.compile(x)", "subprocess.run(['ls', x])", "yaml.safe_load(f)",
        "torch.load(f, weights_only=True)", "np.load(f, allow_pickle=False)", "from urllib.parse import quote",
    ],
)  # fmt: skip
def test_safe_things_are_no_offence(code: str) -> None:
    assert not list(offences(ast.parse(code), "x.py"))


def test_pins_are_what_is_installed_and_hold_every_dependency() -> None:
    from tools.audit import differences

    assert differences(ROOT) == []
