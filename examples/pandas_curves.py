"""Accuracy by model and shot count with pandas, computed from the predictions.

    python3 examples/pandas_curves.py out/demo/predictions.parquet
"""

import sys

import pandas as pd

predictions = pd.read_parquet(sys.argv[1], columns=["model", "condition", "shots", "function", "correct"])

# Accuracy as in the papers: the mean over functions of the mean over trials.
tasks = predictions.groupby(["model", "condition", "shots", "function"])["correct"].mean()
curves = tasks.groupby(["model", "condition", "shots"]).agg(["mean", "sem"])

print(curves.rename(columns={"mean": "accuracy", "sem": "task_se"}).to_string(float_format="{:.4f}".format))
