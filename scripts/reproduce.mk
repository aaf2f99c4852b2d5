# The papers' whole protocol for any list of models: prompts, predictions, scores, fits, contrasts, figures, report.
# Run by `make reproduce MODELS="dir dir ..."`; a second run makes only what is missing or out of date.
#
#   MODELS     model folders; builtin:NAME is one, too
#   TRIALS     trials a function and shot count (paper 1: 8, paper 2: 128)
#   DESIGN     independent (the papers') or nested (one sequence serves all shot counts, half the tokens)
#   CONTROL=1  deranged demonstrations, too, and the contrasts with them; independent only
#   DEVICE     cpu, cuda, cuda:N or auto
#   SHOTS, SEED, SUITE, BASELINES, ALPHABET (default: as the model's card says), PUBLISHED (curves to lay
#   over), OUT
#   INFER_FLAGS  more arguments of infer, as --batch-tokens 4096
#   SHARDS     the parts into which the trials of every model and cell are cut; each is answered by itself, and
#              merge-shards puts them together. 1 does not cut
#   CLUSTER    slurm: hand the shards that are missing to a cluster (docs/cluster.md)
#
# OUT receives prompts/, predictions/ (one file a model, condition and shot count; nested: a model), *.csv, figures/ and
# report.html. Every file appears whole or not at all, and `infer --resume` keeps single answers, so the run may be stopped
# anywhere and started again. Two runs in one OUT come one after the other.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
# Every file says how it was made in its provenance; on the terminal its name is enough.
.SILENT:

BIN ?= target/release
PYTHON ?= python3
OUT ?= out/reproduce
MODELS ?=
TRIALS ?= 8
DESIGN ?= independent
CONTROL ?=
DEVICE ?= cpu
SHOTS ?= 1,2,4,8,16,32,64,128
SEED ?= 0
SUITE ?= paper
BASELINES ?= mode nearest bayes
ALPHABET ?=
PUBLISHED ?=
INFER_FLAGS ?=
CLUSTER ?=
SHARDS ?= $(if $(CLUSTER),8,1)

comma := ,
counts := $(subst $(comma), ,$(SHOTS))
conditions := clean $(if $(filter 1,$(CONTROL)),deranged)
# At one shot there is nothing to derange.
counts_deranged := $(filter-out 0 1,$(counts))
counts_clean := $(counts)

ifeq ($(strip $(MODELS)),)
$(error MODELS is empty: give model folders, as MODELS="models/smollm2-135m models/mine")
endif
ifeq ($(filter $(DESIGN),independent nested),)
$(error DESIGN=$(DESIGN): expected independent or nested)
endif
ifneq ($(filter-out 1,$(CONTROL)),)
$(error CONTROL=$(CONTROL): expected 1 or nothing)
endif
ifeq ($(DESIGN)$(CONTROL),nested1)
$(error CONTROL=1 needs DESIGN=independent: nested sequences cannot be deranged)
endif
ifneq ($(shell [ '$(SHARDS)' -ge 1 ] 2> /dev/null && echo whole),whole)
$(error SHARDS=$(SHARDS): expected a whole number from 1 on)
endif
# `task` is what submit.py's jobs say: they are on the cluster already.
ifneq ($(filter-out slurm task,$(CLUSTER)),)
$(error CLUSTER=$(CLUSTER): expected slurm or nothing)
endif
# Words are all that make knows.
linked := a path with spaces cannot be given: make a link to it without (ln -s)
$(foreach name,BIN OUT PYTHON SUITE,$(if $(word 2,$($(name))),$(error $(name)=$($(name)): $(linked))))
ifneq ($(words $(sort $(notdir $(patsubst %/,%,$(MODELS))))),$(words $(MODELS)))
$(error MODELS: two folders of one name; their files would be one)
endif

# The name of the files of a model, its folder's, or of an alphabet.
name_of = $(subst :,-,$(notdir $(patsubst %/,%,$(1))))
# What a model's card says of it.
on_card = $(shell $(PYTHON) -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' $(1)/card.json $(2) 2>/dev/null)
folders := $(filter-out builtin:%,$(MODELS))
$(foreach model,$(folders),$(if $(wildcard $(model)/.),,$(error MODELS: $(model): no such \
  folder; $(linked))))
# The name of a model in records is its card's, or else its folder's: `score` could not tell two of one name apart.
names := $(foreach model,$(folders),$(subst $() ,_,$(or $(call on_card,$(model),name),$(notdir $(realpath $(model))))))
ifneq ($(words $(sort $(names))),$(words $(names)))
$(error MODELS: two of one name in records ($(names)): give one another "name" in its card.json)
endif
ifneq ($(filter --name --name=%,$(INFER_FLAGS)),)
$(error INFER_FLAGS: --name would give every model and baseline one name)
endif
# The alphabet of a model: what its card says it was trained on.
alphabet_of = $(strip $(or $(ALPHABET),$(if $(filter builtin:%,$(1)),$(first_alphabet),$(call on_card,$(1),modality))))
first_alphabet := $(strip $(or $(ALPHABET),$(if $(folders),$(call on_card,$(firstword $(folders)),modality)),genomic))
$(foreach model,$(MODELS),$(if $(call alphabet_of,$(model)),,$(error $(model): its card.json names no modality; say which symbols it reads, as ALPHABET=genomic)))

# What the files of a cell are called, before their suffix: NAME.condition.nSHOTS, nested NAME.nested.
ifeq ($(DESIGN),nested)
cells := nested
else
cells := $(foreach condition,$(conditions),$(foreach n,$(counts_$(condition)),$(condition).n$(n)))
endif
of_cells = $(foreach cell,$(cells),$(OUT)/predictions/$(call name_of,$(1)).$(cell).parquet)
answering := $(MODELS) $(filter-out $(MODELS),$(BASELINES:%=builtin:%))
PREDICTIONS := $(foreach model,$(answering),$(call of_cells,$(model)))
CLEAN_PREDICTIONS = $(foreach file,$(1),$(if $(findstring .deranged.,$(file)),,$(file)))
MODEL_PREDICTIONS := $(foreach model,$(MODELS),$(call of_cells,$(model)))

TABLES := scores tasks bitload bitdiversity errors fits
ifeq ($(CONTROL),1)
TABLES += contrasts contrast-tasks $(if $(word 2,$(MODELS)),profiles)
endif
TABLES += $(if $(word 2,$(MODELS)),versus)

# What scripts/results.mk compares. --shots leaves out what has no deranged side.
CONTRASTED := $(PREDICTIONS)
PROFILED := $(MODEL_PREDICTIONS)
CONTRAST_FLAGS := --shots $(subst $() ,$(comma),$(strip $(counts_deranged)))

ifeq ($(CLUSTER),slurm)
# What a task has to know to do what was asked here; submit.py writes it down.
SETTINGS := MODELS TRIALS DESIGN CONTROL DEVICE SHOTS SEED SUITE BASELINES ALPHABET PUBLISHED OUT BIN PYTHON INFER_FLAGS SHARDS
export $(SETTINGS)
.PHONY: submit
# Where there is no Slurm, which submit.py says, nothing is begun.
submit:
	$(if $(shell command -v sbatch),$(alone)) $(PYTHON) scripts/slurm/submit.py $(SETTINGS)
endif

.PHONY: show made
show:
	$(alone) $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) made

made: $(OUT)/report.html
	echo
	$(BIN)/fit-loglinear --quiet --seed $(SEED) --to table $(call CLEAN_PREDICTIONS,$(MODEL_PREDICTIONS))
	echo
	echo 'Everything on one page: $(OUT)/report.html; figures in $(OUT)/figures, tables in $(OUT)/*.csv,'
	echo 'predictions in $(OUT)/predictions.'

# --- what was drawn with other settings is drawn anew ---

$(OUT)/prompts/.settings: always
	$(call keep_setting,design=$(DESIGN) trials=$(TRIALS) seed=$(SEED) suite=$(SUITE) nested-shots=$(if $(filter nested,$(DESIGN)),$(SHOTS)))

# --- prompts, one file an alphabet and cell, or shard of one ---

draw := $(BIN)/gen-tasks --quiet --design $(DESIGN) --suite $(SUITE) --trials $(TRIALS) --seed $(SEED)

# $(1) file, $(2) alphabet, $(3) arguments of the cell, $(4) unfinished answers to what it held before
define prompts_rule
$(1): $(OUT)/prompts/.settings
	echo $$@
	mkdir -p $$(@D)
	$(draw) $(3) --to arrow | $(BIN)/encode --quiet --alphabet $(2) -o $$@
	rm -f $(4)
.SECONDARY: $(1)
endef
cell_arguments = $(if $(filter nested,$(1)),--shots $(SHOTS),--condition $(word 1,$(subst ., ,$(1))) --shots $(patsubst n%,%,$(word 2,$(subst ., ,$(1)))))
# $(1) alphabet, $(2) cell
prompts_of = $(OUT)/prompts/$(call name_of,$(1)).$(2).arrow
alphabets := $(sort $(foreach model,$(answering),$(call alphabet_of,$(model))))
$(foreach a,$(alphabets),$(foreach c,$(cells),$(eval $(call \
  prompts_rule,$(call prompts_of,$(a),$(c)),$(a),$(call cell_arguments,$(c)),$(OUT)/predictions/*.$(c).parquet.partial))))

# --- predictions: one that is there and older than its prompts answers others, which `--resume` would refuse ---

# $(1) model: what answers prompts, but for its input and output.
infer = $(BIN)/infer --quiet --resume --model $(1) $(if $(filter builtin:%,$(1)),,--device $(DEVICE)) $(INFER_FLAGS)

# $(1) model, $(2) its alphabet, $(3) cell
define predictions_rule
$(OUT)/predictions/$(call name_of,$(1)).$(3).parquet: $(call prompts_of,$(2),$(3))
	mkdir -p $$(@D)
	echo '$(1), $(3)'
	rm -f $$@
	$(call infer,$(1)) $$< -o $$@
endef

# --- shards: what becomes of a cell's predictions if SHARDS is more than 1 ---

sharded := $(if $(CLUSTER)$(filter-out 1,$(SHARDS)),$(MODELS))
# 0-of-4 1-of-4 2-of-4 3-of-4
shards := $(if $(sharded),$(shell seq -f '%.0f-of-$(SHARDS)' 0 $$(( $(SHARDS) - 1 ))))
# $(1) alphabet or model, $(2) cell, $(3) shard
shard_prompts = $(OUT)/shards/prompts/$(call name_of,$(1)).$(2).$(3).arrow
shard_of = $(OUT)/shards/$(call name_of,$(1)).$(2).$(3).parquet
shards_of = $(foreach shard,$(shards),$(call shard_of,$(1),$(2),$(shard)))
$(foreach a,$(sort $(foreach m,$(sharded),$(call alphabet_of,$(m)))),$(foreach c,$(cells),$(foreach s,$(shards),$(eval $(call \
  prompts_rule,$(call shard_prompts,$(a),$(c),$(s)),$(a),$(call cell_arguments,$(c)) --shard $(subst -of-,/,$(s)),$(OUT)/shards/*.$(c).$(s).parquet.partial)))))

# A shard is answered here; or, with LIST=FILE, only named in that file; or, with MERGE_ONLY=1, found missing.
define answer_shard
$(if $(LIST),echo $$@ >> $(LIST),$(if $(MERGE_ONLY),\
  echo '$$@ is missing: `make reproduce CLUSTER=slurm` with the same settings submits it' >&2; exit 1,\
  echo '$(1), $(3), shard $(4)'; rm -f $$@; $(call infer,$(1)) $$< -o $$@))
endef

# $(1) model, $(2) its alphabet, $(3) cell, $(4) shard
define shard_rule
$(call shard_of,$(1),$(3),$(4)): $(call shard_prompts,$(2),$(3),$(4))
	$(answer_shard)
.SECONDARY: $(call shard_of,$(1),$(3),$(4))
endef

# $(1) model, $(2) its alphabet, $(3) cell. The uncut prompts, which baselines read, are older than any predictions, so that
# a later run without SHARDS takes these for its own.
define merge_rule
$(OUT)/predictions/$(call name_of,$(1)).$(3).parquet: $(call shards_of,$(1),$(3)) | $(call prompts_of,$(2),$(3))
	$(if $(LIST),:,mkdir -p $$(@D); echo $$@; $(BIN)/merge-shards --quiet $$^ -o $$@)
$(foreach shard,$(shards),$(eval $(call shard_rule,$(1),$(2),$(3),$(shard))))
endef

$(foreach m,$(answering),$(foreach c,$(cells),$(eval $(call \
  $(if $(filter $(sharded),$(m)),merge_rule,predictions_rule),$(m),$(call alphabet_of,$(m)),$(c)))))

.PHONY: shards count
shards: $(foreach m,$(sharded),$(call of_cells,$(m)))
count:
	echo $(words $(foreach m,$(sharded),$(foreach c,$(cells),$(shards))))

include $(dir $(lastword $(MAKEFILE_LIST)))results.mk
