"""Takes a model that somebody has handed over, if it loads here: the server then serves it in place of its volume's.

usage: model_server_handed_over.py FROM TO
"""

import shutil
import sys
import warnings
from pathlib import Path

NAME = "model.joblib"


def problem(file):
    """Why a model cannot be served here; empty if it can."""
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            model = joblib.load(file)
    except InconsistentVersionWarning as error:
        made, here = error.original_sklearn_version, error.current_sklearn_version
        return f"it was trained with scikit-learn {made}, and this server has {here}"
    except Exception as error:  # a file of somebody's, which may hold anything
        return f"it does not load: {type(error).__name__}: {error}"
    return "" if hasattr(model, "predict") else f"it has no predict, it is a {type(model).__name__}"


def main(given, taken):
    if not (given / NAME).exists():
        print("No model was handed over: the one on the volume is served.")
        return
    why = problem(given / NAME)
    if why:
        print(f"The model that was handed over is not served, because {why}. The one on the volume is served.")
        return
    shutil.copy(given / NAME, taken / NAME)
    print("The model that was handed over is served.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
