"""Serves a scikit-learn model with KServe: python -m sklearnserver --model_name NAME --model_dir FOLDER."""

from __future__ import annotations

import argparse
from pathlib import Path

import joblib
import kserve
from kserve.errors import InferenceError, ModelMissingError
from kserve.utils.utils import get_predict_input, get_predict_response

SUFFIXES = (".joblib", ".pkl", ".pickle")


class SklearnModel(kserve.Model):
    """A model from a folder that holds exactly one file of joblib's or pickle's."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.folder = folder
        self.estimator = None

    def load(self) -> bool:
        found = [path for path in sorted(self.folder.iterdir()) if path.suffix in SUFFIXES]
        if not found:
            raise ModelMissingError(self.folder)
        if len(found) > 1:
            raise RuntimeError(f"{self.folder} holds more than one model: {', '.join(path.name for path in found)}")
        self.estimator = joblib.load(found[0])
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):
        try:
            result = self.estimator.predict(get_predict_input(payload))
        except Exception as error:
            raise InferenceError(str(error)) from error
        return get_predict_response(payload, result, self.name)


def main() -> None:
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("--model_dir", required=True, type=Path, help="folder with the model")
    options, _ = parser.parse_known_args()
    if options.configure_logging:
        kserve.logging.configure_logging(options.log_config_file)
    model = SklearnModel(options.model_name, options.model_dir)
    model.load()
    kserve.ModelServer().start([model])


if __name__ == "__main__":
    main()
