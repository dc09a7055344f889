# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the model of a release with KServe's server, if its file is the one that was checked.

usage: serve.py MODEL RELEASE DIGEST CODE_DIGEST [PORT]

The file is copied, the copy is compared with the wanted digest, and the copy is what is loaded: the volume may change
meanwhile. Whoever reaches the server may read and ask for predictions, and nothing else.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from model_server import ReadsAndInference, answer_text
from v2 import MARK, mark
from volume import Stop, code_digest, file_digest, last_words, read_code, release_folder


class Marked:
    """ASGI middleware that says on each answer, errors too, which release gave it, and from which file."""

    def __init__(self, app, said: str) -> None:
        self.app, self.header = app, (MARK.encode(), said.encode())

    async def __call__(self, scope, receive, send) -> None:
        async def send_marked(message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), self.header]}
            await send(message)

        await self.app(scope, receive, send_marked if scope["type"] == "http" else send)


def take_copy(release: str, wanted: str, wanted_code: str, folder: Path) -> None:
    """Copy a release's model and code into a folder of this program's own.

    :raises Stop: when they are not the ones that were checked.
    """
    source = release_folder(release)
    if not (source / "model.joblib").is_file():
        raise Stop(f"{release} has no model file on the volume.")
    shutil.copyfile(source / "model.joblib", folder / "model.joblib")
    found = file_digest(folder / "model.joblib")
    if found != wanted:
        raise Stop(f"the model file of {release} is not the one that was checked: {found[:19]}…, not {wanted[:19]}…")
    texts = read_code(source / "code")
    if code_digest(texts) != wanted_code:
        raise Stop(f"the code of {release} on the volume is not the one that was checked.")
    (folder / "code").mkdir()
    for name, content in texts.items():
        (folder / "code" / name).write_text(content, encoding="utf-8")


def try_load(release: str, folder: Path) -> None:
    """Load the model once, strictly.

    :raises Stop: when this image cannot serve it, for example because its scikit-learn is another one.
    """
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    warnings.simplefilter("error", InconsistentVersionWarning)
    try:
        joblib.load(folder / "model.joblib")
    except InconsistentVersionWarning as error:
        raise Stop(
            f"{release} was trained with scikit-learn {error.original_sklearn_version}, this image has "
            f"{error.current_sklearn_version}; train it again."
        ) from error
    except Exception as error:
        raise Stop(f"the model of {release} cannot be loaded here: {type(error).__name__}: {error}") from error


def main(model: str, release: str, wanted: str, wanted_code: str, port: str = "8080") -> int:
    """Serve; returns when the server ends."""
    folder = Path(tempfile.mkdtemp(prefix="serve-"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        take_copy(release, wanted, wanted_code, folder)
        sys.path.insert(0, str(folder / "code"))
        try_load(release, folder)
    except Stop as stop:
        last_words(str(stop))
        return 3
    # Read by kserve as it is imported
    options = [f"--model_name={model}", f"--model_dir={folder}", f"--http_port={port}", "--enable_grpc=false"]
    sys.argv = ["sklearnserver", *options]
    from kserve.model_server import app

    answer_text()
    app.add_middleware(ReadsAndInference)
    build = app.build_middleware_stack  # around all of it: what answers an exception is outside of any middleware
    app.build_middleware_stack = lambda: Marked(build(), mark(release, wanted))
    runpy.run_module("sklearnserver", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
