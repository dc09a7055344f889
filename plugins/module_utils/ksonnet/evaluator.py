# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Evaluate jsonnet with a binding from PyPI, confined to given folders and limited in depth, memory and time.

The evaluation happens in a forked child: limits set there cannot harm the module, and a crash of native code
(stack, memory) ends the child alone.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ..common.late import late
from .bindings import BINDINGS, available
from .errors import KsonnetError, listed
from .files import Files
from .fractions import ambiguous
from .native import NATIVE_FUNCTIONS

#: Those that write a fraction in a text as ks did, the most alike first.
_FRACTIONS_AS_KS = ("jsonnet", "gojsonnet")
_NOT_A_NUMBER = late(r"operator \+ does not operate on|Unexpected type \w+, expected number")


@dataclass(frozen=True)
class Limits:
    """What an evaluation may use: stack frames, MiB of memory, seconds."""

    depth: int = 500
    memory_mb: int = 2048
    seconds: float = 60.0


@dataclass
class Sandbox:
    """The files that jsonnet code may import.

    :param roots: folders below which every imported file must lie, symbolic links resolved
    :param search: folders searched, in this order, after the importing file's own
    :param rename: import prefix to folder: ``{"registry/package": "/app/vendor/registry/package@1.0"}``
    """

    roots: Sequence[str]
    search: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    files: Files = field(default_factory=Files)

    def __post_init__(self) -> None:
        self._roots = [self.files.real(root) for root in self.roots]
        self._cache: dict[str, str] = {}
        self.refusal = ""  # why the last import failed: some bindings garble a callback's message

    def put(self, path: str, text: str) -> None:
        """Let imports of this path give ``text`` in place of the file's own."""
        self._cache[path] = text

    def texts(self) -> list[str]:
        """What was read so far."""
        return list(self._cache.values())

    def drop_unary_plus(self) -> bool:
        """Take the unary pluses out of all that was read; False where there are none."""
        from .jsonnet_text import without_unary_plus  # few apps need it

        before = self.texts()
        self._cache.update({path: without_unary_plus(text, path) for path, text in self._cache.items()})
        return self.texts() != before

    def allows(self, path: str) -> bool:
        real = self.files.real(path)
        return any(real == root or real.startswith(root + os.sep) for root in self._roots)

    def _candidates(self, base: str, name: str) -> list[str]:
        if os.path.isabs(name):
            return [name]
        found = [os.path.join(base, name)]
        for folder in self.search:
            found.append(os.path.join(folder, name))
        for prefix, folder in self.rename.items():
            if name.startswith(prefix + "/"):
                found.append(folder + name[len(prefix) :])
        return found

    def read(self, base: str, name: str) -> tuple[str, str]:
        """Path and text of the file that ``import "name"`` in a file of folder ``base`` means."""
        try:
            return self._find(base, name)
        except KsonnetError as exc:
            self.refusal = str(exc)
            raise

    def _find(self, base: str, name: str) -> tuple[str, str]:
        for path in self._candidates(base, name):
            if not self.files.is_file(path):
                continue
            path = os.path.normpath(path)
            if not self.allows(path):
                raise KsonnetError(
                    f"import of {name!r} is refused: it is outside the app and its libraries "
                    "(copy it into the app, or add its folder to library_dirs)"
                )
            if path not in self._cache:
                try:
                    self._cache[path] = self.files.text(path)
                except (OSError, UnicodeDecodeError) as exc:
                    raise KsonnetError(f"import of {name!r} failed: {exc}") from exc
            return path, self._cache[path]
        raise KsonnetError(f"import of {name!r} found nothing, neither beside the importing file nor in the libraries")


def _call(binding: str, name: str, code: str, codes: Mapping[str, str], sandbox: Sandbox, depth: int) -> str:
    """One evaluation; native functions and importer are given in the form that each binding wants."""
    module = importlib.import_module(BINDINGS[binding])
    if binding == "rjsonnet":
        return module.evaluate_snippet(
            name,
            code,
            max_stack=depth,
            ext_codes=dict(codes),
            import_callback=sandbox.read,
            native_callbacks=NATIVE_FUNCTIONS,
            gc=False,  # a child that lives for one evaluation has nothing to give back
        )

    def read(base: str, path: str) -> tuple[str, bytes]:
        try:
            found, text = sandbox.read(base, path)
        except KsonnetError:
            # gojsonnet garbles an exception's message, often to what is no text: jsonnet's own error has a trace
            return "<refused>", b'error "refused"'
        return found, text.encode("utf-8")

    result = module.evaluate_snippet(
        name,
        code,
        max_stack=depth,
        ext_codes=dict(codes),
        import_callback=read,
        native_callbacks=_told_apart() if binding == "jsonnet" else NATIVE_FUNCTIONS,
    )
    if sandbox.refusal:  # importstr takes an error's text for a text
        raise KsonnetError(sandbox.refusal)
    return result


def _data(text: str) -> Any:
    """Plain data of what a binding printed; all numbers are doubles, whatever digits were printed."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 16 else int(float(digits)))


def _told_apart() -> dict[str, Any]:
    """Native functions for jsonnet 0.22, which takes parameter names of like length for one and the same."""
    return {
        name: (tuple(parameter + "_" * 40 * index for index, parameter in enumerate(parameters)), function)
        for name, (parameters, function) in NATIVE_FUNCTIONS.items()
    }


class Evaluator:
    """Evaluates snippets with one sandbox. Only to be used inside :func:`limited`.

    ks' answer is wanted, whichever binding gives it: what the first cannot evaluate is tried with the others, and once
    more without unary pluses; where a fraction became text, the value is taken from a binding that writes it as ks did.

    :ivar used: the bindings that gave a value.
    :ivar fractions: texts of fractions that ks wrote with more digits, for want of a binding that does.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits, bindings: Sequence[str]) -> None:
        self.sandbox = sandbox
        self.limits = limits
        self.bindings = bindings
        self.used: list[str] = []
        self.fractions: list[str] = []

    def evaluate_file(self, path: str, codes: Mapping[str, str]) -> Any:
        """Value of a jsonnet file, as plain data, with external ``codes``.

        :raises JsonnetError: with the trace that tells most.
        """
        code = f"import {json.dumps(path, ensure_ascii=False)}"
        traces: list[str] = []
        value = self._first_value(self.bindings, code, codes, traces)
        while value is None and any(map(_NOT_A_NUMBER.search, traces)) and self.sandbox.drop_unary_plus():
            traces.clear()
            value = self._first_value(self.bindings, code, codes, traces)
        if value is None:
            # rjsonnet leaves the innermost line out of some traces.
            better = traces[1:2] if self.bindings[0] == "rjsonnet" else []
            raise JsonnetError((better or traces)[0], self.sandbox.refusal)
        binding, data = value
        if binding == "rjsonnet":
            data = self._with_ks_fractions(data, code, codes)
        elif binding not in self.used:
            self.used.append(binding)
        return data

    def _first_value(
        self, bindings: Iterable[str], code: str, codes: Mapping[str, str], traces: list[str]
    ) -> tuple[str, Any] | None:
        """The first binding that can, and its value; what the others said is added to ``traces``."""
        for binding in bindings:
            self.sandbox.refusal = ""
            try:
                return binding, _data(_call(binding, "<snippet>", code, codes, self.sandbox, self.limits.depth))
            except Exception as exc:  # the bindings raise RuntimeError; a callback's exception may come through
                traces.append(str(exc))
        return None

    def _with_ks_fractions(self, data: Any, code: str, codes: Mapping[str, str]) -> Any:
        found = ambiguous(data, [*codes.values(), *self.sandbox.texts()])
        exact = [name for name in _FRACTIONS_AS_KS if name in self.bindings] if found else []
        value = self._first_value(exact, code, codes, [])
        if value is None:
            self.fractions += found
        binding, data = value or ("rjsonnet", data)
        if binding not in self.used:
            self.used.append(binding)
        return data


class JsonnetError(KsonnetError):
    """An error of jsonnet code, with the trace that the binding gave."""

    _PLACE = late(
        r"(?P<file>/[^\s:]*|<extvar:[^>]*>|[^\s:()]+\.(?:jsonnet|libsonnet|json)):(?P<line>\d+)(?::(?P<column>\d+))?"
    )
    _RANGE = late(r"(?P<file>/[^\s:]*):\((?P<line>\d+):(?P<column>\d+)\)")

    def __init__(self, trace: str, refusal: str = "") -> None:
        super().__init__(trace)
        self.trace = trace
        self.refusal = refusal

    def places(self) -> list[tuple[str, int]]:
        """Files and lines of the trace, innermost first."""
        text = self.trace
        found = [(m.start(), m["file"], int(m["line"])) for rx in (self._PLACE, self._RANGE) for m in rx.finditer(text)]
        return [(name, line) for _start, name, line in sorted(found)]

    def reason(self) -> str:
        """The message alone: no trace, no label such as RUNTIME ERROR."""
        if self.refusal:
            return self.refusal
        lines = [line.strip() for line in self.trace.strip().splitlines() if line.strip()]
        first = lines[0] if lines else "unknown error"
        first = re.sub(r"^(RUNTIME|STATIC) ERROR: ", "", first)
        first = self._PLACE.sub("", first, count=1) if self._PLACE.match(first) else first
        for noise in ("import_callback error: ", "importer error: ", "KsonnetError: ", "runtime error: "):
            first = first.replace(noise, "")
        first = re.sub(r"^couldn't open import \".*?\": ", "", first)
        return re.sub(r"^[-\s:\d]+", "", first).strip() or "unknown error"


def limited(work: Callable[[], Any], limits: Limits) -> Any:
    """Result of ``work()``, run in a forked child under ``limits``; it must be JSON data.

    KsonnetError raised there is raised here again; any limit hit becomes a KsonnetError that names the limit.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as noise:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(work, limits, writer, noise.fileno())
        os.close(writer)
        answer, timed_out = _read_all(reader, pid, limits.seconds)
        _pid, status = os.waitpid(pid, 0)
        noise.seek(0)
        said = noise.read(4000).decode("utf-8", "replace")
    if timed_out or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        raise KsonnetError(
            f"the evaluation took longer than {limits.seconds:g} seconds and was stopped; "
            "if the app needs that long, raise limits.seconds"
        )
    if not answer:
        detail = said.strip().splitlines()[0][:200] if said.strip() else f"exit status {status}"
        raise KsonnetError(
            f"the evaluation needed more than {limits.memory_mb} MiB of memory, or nested too deep, and was stopped "
            f"({detail}); if the app needs that much, raise limits.memory_mb"
        )
    result = json.loads(answer)
    if "jsonnet" in result:
        raise JsonnetError(result["jsonnet"])
    if "error" in result:
        raise KsonnetError(result["error"])
    return result["ok"]


def _child(work: Callable[[], Any], limits: Limits, writer: int, noise: int) -> None:
    """Never returns."""
    code = 1
    try:
        if "faulthandler" in sys.modules:  # a crash here is told by the parent
            sys.modules["faulthandler"].disable()
        os.dup2(noise, 1)
        os.dup2(noise, 2)
        _set_limits(limits)
        try:
            answer = {"ok": work()}
        except JsonnetError as exc:
            answer = {"jsonnet": exc.trace}
        except KsonnetError as exc:
            answer = {"error": str(exc)}
        data = json.dumps(answer).encode("utf-8")
        with os.fdopen(writer, "wb") as stream:
            stream.write(data)
        code = 0
    except MemoryError:
        pass
    except BaseException as exc:
        os.write(noise, repr(exc).encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _data_in_use() -> int:
    """Bytes that count against RLIMIT_DATA already: a child begins with all that its parent has (proc(5), statm)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _set_limits(limits: Limits) -> None:
    """RLIMIT_DATA rather than RLIMIT_AS: Go's runtime reserves far more addresses than it uses."""
    size = _data_in_use() + limits.memory_mb * 1024 * 1024
    for name, value in (("RLIMIT_DATA", size), ("RLIMIT_CORE", 0), ("RLIMIT_CPU", int(limits.seconds) + 1)):
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(kind, (value, hard))
        except (ValueError, OSError):  # a platform that has the name but not the limit
            continue


def _read_all(reader: int, pid: int, seconds: float) -> tuple[bytes, bool]:
    """What the child wrote, and whether it had to be killed for taking too long."""
    end = time.monotonic() + seconds
    chunks = []
    try:
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([reader], [], [], left)[0]:
                os.kill(pid, signal.SIGKILL)
                return b"", True
            chunk = os.read(reader, 1 << 20)
            if not chunk:
                return b"".join(chunks), False
            chunks.append(chunk)
    finally:
        os.close(reader)


def pick(wanted: str = "auto") -> list[str]:
    """The bindings to use, best first; raises KsonnetError when none is installed."""
    names = available(wanted)
    if not names:
        raise KsonnetError(
            f"no jsonnet evaluator is installed for this Python ({sys.executable}): pip install "
            + (BINDINGS and "rjsonnet" if wanted == "auto" else wanted)
            + f" (one of {listed(BINDINGS)})"
        )
    return names


def evaluate_text(code: str, limits: Limits, bindings: Sequence[str]) -> Any:
    """Value of a piece of jsonnet that imports nothing, as plain data; limited like everything else."""
    sandbox = Sandbox(roots=())

    def work() -> Any:
        traces = []
        for binding in bindings:
            try:
                return _data(_call(binding, "<value>", code, {}, sandbox, limits.depth))
            except Exception as exc:
                traces.append(str(exc))
        raise JsonnetError(traces[0], sandbox.refusal)

    return limited(work, limits)
