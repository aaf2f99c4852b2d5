# The demo: 100 functions as nested trials on a real language model, beside baselines that need no model, and eight
# functions in the genomic costume. Run by `make demo`; a second run does only what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:

BIN ?= target/release
MODEL ?= models/gemma3-270m
OUT ?= out/demo
SHOTS := 1,2,4,8,16,32
DRAW := $(BIN)/gen-tasks --quiet --design nested --shots $(SHOTS) --trials 1
GENOMIC_TASKS := identity flip_bits reverse_bits left_half spread_first_bit majority meta_constant rotl1
BASELINES := nearest bayes
BASELINE_FILES := $(BASELINES:%=$(OUT)/builtin-%.parquet)
PREDICTIONS := $(OUT)/predictions.parquet $(OUT)/genomic.parquet $(BASELINE_FILES)

.PHONY: show
show: $(OUT)/curve.png $(OUT)/curve.svg $(OUT)/scores.csv $(OUT)/fits.csv
	@echo
	@echo 'Scores of the model and of the ideal observer ($(OUT)/scores.csv has all columns):'
	@$(BIN)/score --quiet --to table $(OUT)/predictions.parquet $(OUT)/builtin-bayes.parquet
	@echo
	@echo 'Fits: accuracy = a0 + a1 ln(shots), errors by the cluster bootstrap ($(OUT)/fits.csv):'
	@$(BIN)/fit-loglinear --quiet --to table $(PREDICTIONS)
	@echo
	@echo 'The picture is $(OUT)/curve.png (and .svg); $(OUT)/predictions.parquet opens in pandas, polars and DuckDB.'

$(OUT)/.made:
	mkdir -p $(OUT)
	touch $@

# The 100 functions, one sequence each, as lines such as 47744774>77447744.
$(OUT)/prompts.parquet: | $(OUT)/.made
	$(DRAW) --suite paper | $(BIN)/encode --quiet --alphabet linguistic --template '{x}>{y}\n' -o $@

# Eight functions in nucleotides, back to back as the paper writes them.
$(OUT)/genomic-prompts.parquet: | $(OUT)/.made
	$(DRAW) $(GENOMIC_TASKS:%=--task %) | $(BIN)/encode --quiet --alphabet genomic -o $@

$(OUT)/predictions.parquet: $(OUT)/prompts.parquet
	@echo 'One pass over each of 100 sequences, read at 6 shot counts:'
	$(BIN)/infer --resume --model $(MODEL) $< -o $@

$(OUT)/genomic.parquet: $(OUT)/genomic-prompts.parquet
	$(BIN)/infer --resume --model $(MODEL) $< -o $@

$(OUT)/builtin-%.parquet: $(OUT)/prompts.parquet
	$(BIN)/infer --quiet --model builtin:$* $< -o $@

$(OUT)/scores.csv: $(PREDICTIONS)
	$(BIN)/score --quiet $(PREDICTIONS) -o $@

$(OUT)/fits.csv: $(PREDICTIONS)
	$(BIN)/fit-loglinear --quiet $(PREDICTIONS) -o $@

# The genomic costume has other functions, so it stays out of the picture.
# The mode baseline is drawn from the scores' own columns: its exact expectation on the same trials.
$(OUT)/curve.svg $(OUT)/curve.png &: $(PREDICTIONS)
	$(BIN)/score --quiet $(OUT)/predictions.parquet $(BASELINE_FILES) \
	  | $(BIN)/figure curve -o $(OUT)/curve.svg -o $(OUT)/curve.png \
	    --title '100 hidden bitstring functions, one sequence each'
