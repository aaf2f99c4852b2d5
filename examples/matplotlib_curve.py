"""Accuracy against shots with matplotlib, as a plot to restyle: points, 95 % intervals and the log-linear fit.

    score predictions.parquet -o scores.csv
    python3 examples/matplotlib_curve.py scores.csv curve.pdf
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

scores = pd.read_csv(sys.argv[1])

figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
for (model, condition), curve in scores.groupby(["model", "condition"]):
    below, above = curve.accuracy - curve.ci_low, curve.ci_high - curve.accuracy
    points = axes.errorbar(curve.shots, curve.accuracy, [below, above], fmt="o", label=f"{model}, {condition}")
    # accuracy = a0 + a1 ln(shots), over the shot counts above 0.
    shown = curve[curve.shots > 0]
    a1, a0 = np.polyfit(np.log(shown.shots), shown.accuracy, 1)
    axes.plot(shown.shots, a0 + a1 * np.log(shown.shots), color=points[0].get_color())
    print(f"{model}, {condition}: a0 = {a0:.4f}, a1 = {a1:.4f}")
axes.set(xscale="log", xlabel="shots", ylabel="accuracy", ylim=(0, 1))
axes.set_xticks(sorted(set(scores.shots[scores.shots > 0])))
axes.xaxis.set_major_formatter("{x:g}")
axes.minorticks_off()
axes.legend(frameon=False)
figure.savefig(sys.argv[2])
