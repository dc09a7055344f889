"""Trains a classifier of handwritten digits on several machines, and stores it.

Runs as it is in a TFJob of Kubeflow's training operator and in a TrainJob of Kubeflow's trainer: both tell each member
of the team by its environment who it is and where the first one is. Each member sees its own share of the data; after
each round the first one averages what all have learned and hands it out. The data come with scikit-learn.

usage: digits.py FOLDER      the first member writes FOLDER/model.joblib and tells the result in /dev/termination-log
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib
import numpy as np
from http_call import ask
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

ROUNDS = 30
PATIENCE = 300  # seconds to wait for the others, whose image may still be on its way


def team() -> tuple[int, int, str, int]:
    """Rank of this member (0 is the first), number of members, the first one's host and port."""
    if "TF_CONFIG" in os.environ:
        told = json.loads(os.environ["TF_CONFIG"])
        members = [("chief", 0)] + [("worker", index) for index in range(len(told["cluster"].get("worker", [])))]
        host, port = told["cluster"]["chief"][0].rsplit(":", 1)
        return members.index((told["task"]["type"], told["task"]["index"])), len(members), host, int(port)
    if "PET_NODE_RANK" in os.environ:
        number = {name: os.environ[f"PET_{name}"] for name in ("NODE_RANK", "NNODES", "MASTER_ADDR", "MASTER_PORT")}
        return int(number["NODE_RANK"]), int(number["NNODES"]), number["MASTER_ADDR"], int(number["MASTER_PORT"])
    raise SystemExit("neither TF_CONFIG nor PET_NODE_RANK is set: no operator has started this")


class Meeting(ThreadingHTTPServer):
    """Where the members' numbers meet, at the first one's: each round ends when all have handed in theirs."""

    daemon_threads = False  # so that server_close waits until everybody has their answer

    def __init__(self, members: int, port: int) -> None:
        super().__init__(("", port), Door)
        self.numbers: list[np.ndarray] = []
        self.mean = np.empty(0)
        self.lock = threading.Lock()
        self.full = threading.Barrier(members, action=self.average)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def average(self) -> None:
        self.mean = np.mean(self.numbers, axis=0)
        self.numbers = []

    def exchange(self, numbers: np.ndarray) -> np.ndarray:
        with self.lock:
            self.numbers.append(numbers)
        self.full.wait(PATIENCE)
        return self.mean

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Door(BaseHTTPRequestHandler):
    """Takes one member's numbers and answers with the mean of all."""

    server: Meeting

    def do_POST(self) -> None:
        numbers = np.array(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = json.dumps(self.server.exchange(numbers).tolist()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_ignored: object) -> None:
        """One line for each round is enough."""


def send(host: str, port: int, numbers: np.ndarray) -> np.ndarray:
    """Hand in numbers at the first member, as soon as it is there; their mean over all members."""
    body = json.dumps(numbers.tolist()).encode()
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = ask("POST", f"http://{host}:{port}/", body, seconds=deadline - time.monotonic())
            if answer.status == 200:
                return np.array(json.loads(answer.body))
        except OSError:
            if time.monotonic() > deadline - 1:
                raise
        time.sleep(1)


def main(folder: Path) -> None:
    rank, members, host, port = team()
    begun = time.monotonic()
    data = load_digits()
    held_out = np.arange(len(data.target)) % 5 == 0
    pixels, digits = data.data[~held_out], data.target[~held_out]
    mine = np.arange(len(digits)) % members == rank

    scale = MinMaxScaler().fit([[0.0] * 64, [16.0] * 64])
    learner = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.1, alpha=1e-5, random_state=rank)
    meeting = Meeting(members, port) if rank == 0 else None
    for number in range(1, ROUNDS + 1):
        learner.partial_fit(scale.transform(pixels[mine]), digits[mine], classes=np.arange(10))
        learned = np.column_stack([learner.coef_, learner.intercept_])
        learned = meeting.exchange(learned) if meeting else send(host, port, learned)
        learner.coef_, learner.intercept_ = np.ascontiguousarray(learned[:, :-1]), learned[:, -1].copy()
        print(f"member {rank} of {members}: round {number} of {ROUNDS}", flush=True)
    if meeting is None:
        return
    meeting.end()

    model = make_pipeline(scale, learner)
    unseen, truth = data.data[held_out], data.target[held_out]
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "model.joblib.new"
    joblib.dump(model, beside)
    beside.replace(folder / "model.joblib")
    # One image of each digit that nobody has trained on, for whoever asks the served model.
    examples = [int(np.flatnonzero(truth == digit)[0]) for digit in range(10)]
    result = {
        "accuracy": round(float(model.score(unseen, truth)), 4),
        "members": members,
        "seconds": round(time.monotonic() - begun, 1),
        "examples": [
            {"pixels": [int(value) for value in unseen[index]], "digit": int(truth[index])} for index in examples
        ],
    }
    print(json.dumps({key: value for key, value in result.items() if key != "examples"}), flush=True)
    Path("/dev/termination-log").write_text(json.dumps(result, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
