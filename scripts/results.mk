# From predictions to tables, figures and report, for the Makefiles that include this. They say what is there:
#
#   PREDICTIONS        all files of predictions, baselines among them; MODEL_PREDICTIONS those without
#   CLEAN_PREDICTIONS  a function: those of $(1) with clean demonstrations
#   CONTRASTED         what stands in one table of contrasts, corrected together; CONTRAST_FLAGS for it
#   PROFILED           the models whose functions are compared
#   TABLES             the tables wanted; PUBLISHED curves to lay over, FAMILIES arguments of the report, BIN, OUT, SEED

RESULTS := $(TABLES:%=$(OUT)/%.csv)
made = echo $@
score := $(BIN)/score --quiet --seed $(SEED)
contrast := $(BIN)/contrast --quiet --seed $(SEED)
fit := $(BIN)/fit-loglinear --quiet --seed $(SEED)

# Before a command: one run at a time in OUT, and another waits. Single files are made without, as a cluster's tasks do.
alone = mkdir -p $(OUT) && { flock --nonblock $(OUT)/.lock true || \
  echo '$(OUT): another run is at work there; this one waits until it is done' >&2; } && flock $(OUT)/.lock

.PHONY: always
always:

# $(call keep_setting,TEXT): a file that changes when the text does.
define keep_setting
mkdir -p $(@D)
if ! [ -f $@ ] || [ "$$(cat $@)" != '$(1)' ]; then echo '$(1)' > $@.new && mv $@.new $@; fi
endef

$(OUT)/.models: always
	$(call keep_setting,$(PREDICTIONS))

$(OUT)/scores.csv: $(PREDICTIONS) $(OUT)/.models
	$(made)
	$(score) $(PREDICTIONS) -o $@

$(OUT)/tasks.csv: $(MODEL_PREDICTIONS) $(OUT)/.models
	$(made)
	$(score) --by task $(MODEL_PREDICTIONS) -o $@

$(OUT)/bitload.csv $(OUT)/bitdiversity.csv: $(OUT)/%.csv: $(MODEL_PREDICTIONS) $(OUT)/.models
	$(made)
	$(score) --by $* $(MODEL_PREDICTIONS) -o $@

$(OUT)/errors.csv: $(MODEL_PREDICTIONS) $(OUT)/.models
	$(made)
	$(score) --errors $(MODEL_PREDICTIONS) -o $@

$(OUT)/fits.csv: $(call CLEAN_PREDICTIONS,$(PREDICTIONS)) $(OUT)/.models
	$(made)
	$(fit) $(call CLEAN_PREDICTIONS,$(PREDICTIONS)) -o $@

$(OUT)/contrasts.csv: $(CONTRASTED) $(OUT)/.models
	$(made)
	$(contrast) $(CONTRAST_FLAGS) $(CONTRASTED) -o $@

$(OUT)/contrast-tasks.csv: $(PROFILED) $(OUT)/.models
	$(made)
	$(contrast) $(CONTRAST_FLAGS) --by task $(PROFILED) -o $@

$(OUT)/profiles.csv: $(PROFILED) $(OUT)/.models
	$(made)
	$(contrast) $(CONTRAST_FLAGS) --profiles $(PROFILED) -o $@

$(OUT)/versus.csv: $(PROFILED) $(OUT)/.models
	$(made)
	$(contrast) --models $(PROFILED) -o $@

$(OUT)/report.html: $(RESULTS)
	$(made)
	mkdir -p $(OUT)/figures
	$(BIN)/figure report $(RESULTS) $(if $(PUBLISHED),--published $(PUBLISHED)) $(FAMILIES) --figures $(OUT)/figures -o $@
