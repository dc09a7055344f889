"""Gives a model server without a model one to begin with: it tells handwritten digits apart.

usage: model_server_example.py FOLDER
"""

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

folder = Path(sys.argv[1])
if any(path.suffix in (".joblib", ".pkl", ".pickle") for path in folder.iterdir()):
    print(f"{folder} has a model")
else:
    digits = load_digits()
    model = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=200)).fit(digits.data, digits.target)
    joblib.dump(model, folder / "model.new")
    (folder / "model.new").rename(folder / "model.joblib")
    print(f"{folder} has got the example")
