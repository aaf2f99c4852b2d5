"""Accuracy against shots with Altair: an HTML page with zoom, where each point shows its values.

    score predictions.parquet -o scores.csv
    python3 examples/altair_curve.py scores.csv curve.html
"""

import sys

import altair as alt
import pandas as pd

scores = pd.read_csv(sys.argv[1])

x = alt.X("shots").scale(type="symlog").axis(values=sorted(set(scores.shots)))
y = alt.Y("accuracy").scale(domain=[0, 1])
base = alt.Chart(scores).encode(x, color="model", strokeDash="condition")
intervals = base.mark_rule().encode(y="ci_low", y2="ci_high")
points = base.mark_point(filled=True).encode(y, tooltip=["model", "condition", "shots", "accuracy", "ci_low", "ci_high", "tasks"])

(intervals + base.mark_line().encode(y) + points).interactive().save(sys.argv[2])
