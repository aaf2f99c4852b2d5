# Every table and figure of the follow-up, "Many Next-Token Predictors are In-Context Learners", from its published raw
# results, as scripts/import-published reads them. Run by `make reproduce-published DIR=...`; a second run makes only
# what is missing or out of date.
#
#   DIR        the raw results, unpacked: a folder a key with clean/*.json and deranged/*.json (principal_results at 8
#              trials, results_128 at 128); further sizes of a family in FAMILY_family/KEY
#   CANONICAL  the keys that are compared: one a modality, exact p by Holm over them, profiles
#   CONTROLS   the keys that no effect is expected of
#   SEED, OUT
#
# OUT receives predictions/ (one file a cell), *.csv, figures/ and report.html:
#   scores, fits, tasks, bitload, bitdiversity   every cell
#   contrasts, contrast-tasks, profiles, versus  clean against deranged and model against model, the canonical keys
#   contrasts-sizes, contrasts-controls          clean against deranged, each corrected by itself
#   scale                                        the row of every model but the controls where its clean accuracy is
#                                                greatest, by size
#   scaling, gap-scaling                         accuracy and gap on ln(parameters), where a modality has several sizes

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.SILENT:

BIN ?= target/release
PYTHON ?= python3
OUT ?= out/published
DIR ?=
SEED ?= 0
CANONICAL ?= qwen3 evo2 nextterm imagegpt timesfm progen2
CONTROLS ?= chessgpt musicroll

ifeq ($(wildcard $(DIR)/.),)
$(error DIR=$(DIR): expected the folder of the published raw results, unpacked (tar -xzf), as DIR=results_128)
endif
$(foreach name,BIN DIR OUT PYTHON,$(if $(word 2,$($(name))),$(error $(name)=$($(name)): a path with spaces cannot be \
  given: make a link to it without (ln -s))))

# The files of predictions of some folders.
of = $(patsubst $(DIR)/%.json,$(OUT)/predictions/%.jsonl.gz,$(sort $(foreach key,$(1),$(foreach condition,clean deranged,\
  $(wildcard $(DIR)/$(key)/$(condition)/*.json)))))
canonical := $(call of,$(CANONICAL))
sizes := $(call of,*_family/*)
controls := $(call of,$(CONTROLS))
ifeq ($(canonical),)
$(error DIR=$(DIR): no clean/*.json of $(CANONICAL) in it)
endif

PREDICTIONS := $(canonical) $(sizes) $(controls)
MODEL_PREDICTIONS := $(PREDICTIONS)
CLEAN_PREDICTIONS = $(foreach file,$(1),$(if $(findstring /clean/,$(file)),$(file)))
CONTRASTED := $(canonical)
PROFILED := $(canonical)
FAMILIES := --family ProGen2=ProGen2 --family ImageGPT=imagegpt
TABLES := scores bitload bitdiversity fits contrasts contrast-tasks profiles versus \
  $(if $(sizes),contrasts-sizes) $(if $(controls),contrasts-controls)
# The report would hold every function of every cell.
BESIDE := tasks scale $(if $(sizes),scaling gap-scaling)

.PHONY: show made
show:
	$(alone) $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) made

made: $(OUT)/report.html $(BESIDE:%=$(OUT)/%.csv)
	echo
	$(contrast) --to table $(canonical)
	echo
	echo 'Everything on one page: $(OUT)/report.html; figures in $(OUT)/figures, tables in $(OUT)/*.csv,'
	echo 'predictions in $(OUT)/predictions.'

include $(dir $(lastword $(MAKEFILE_LIST)))results.mk

$(OUT)/predictions/%.jsonl.gz: $(DIR)/%.json scripts/import-published
	$(made)
	mkdir -p $(@D)
	$(PYTHON) scripts/import-published --bin $(BIN) $< | gzip -1 > $@.new
	mv $@.new $@

$(OUT)/contrasts-sizes.csv: $(sizes) $(OUT)/.models
	$(made)
	$(contrast) $(sizes) -o $@

$(OUT)/contrasts-controls.csv: $(controls) $(OUT)/.models
	$(made)
	$(contrast) $(controls) -o $@

# In awk: c, the number of each column.
columns = FNR == 1 {for (i = 1; i <= NF; i++) c[$$i] = i}
effects := $(OUT)/contrasts.csv $(if $(sizes),$(OUT)/contrasts-sizes.csv)

$(OUT)/scale.csv: $(effects)
	$(made)
	awk -F, '$(columns) NR == 1 {print; fflush()} FNR == 1 {next} {model = $$c["model"]; accuracy = $$c["clean_accuracy"]} \
	  accuracy > best[model] {best[model] = accuracy; row[model] = $$0} \
	  END {for (model in row) print row[model] | "sort -t , -k 2,2 -k 3,3g -k 1,1"}' $^ > $@

$(OUT)/scaling.csv: $(OUT)/scores.csv
	$(made)
	$(fit) --families <(awk -F, '$(columns) FNR == 1 || $$c["condition"] == "clean"' $<) -o $@

# The gap in the place of the accuracy, from two shots on.
$(OUT)/gap-scaling.csv: $(effects)
	$(made)
	awk -F, -v OFS=, '$(columns) NR == 1 {print "model", "modality", "params", "shots", "accuracy"} \
	  FNR > 1 && $$c["shots"] > 1 {print $$c["model"], $$c["modality"], $$c["params"], $$c["shots"], $$c["gap"]}' $^ | \
	  $(fit) --families --to csv | sed 's/,accuracy,/,gap,/' > $@
