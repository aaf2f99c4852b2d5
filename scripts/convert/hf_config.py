"""Reading config.json so that no key is overlooked: each key is read, known to be harmless, or refused.

The default of an absent key is that of transformers' configuration class; each family passes it when it reads the key.
"""

from pathlib import Path

from errors import ConvertError

# Keys that do not change what a model computes in evaluation: names, training, generation defaults, storage. A key that
# is not in this list and that no family reads is refused.
HARMLESS = frozenset(
    """
    _attn_implementation _attn_implementation_autoset _commit_hash _name_or_path architectures attention_dropout
    attention_probs_dropout_prob attn_implementation bad_words_ids begin_suppress_tokens bos_token_id
    cache_implementation chunk_size_feed_forward classifier_dropout decoder_start_token_id diversity_penalty
    do_sample dtype early_stopping encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty
    finetuning_task forced_bos_token_id forced_eos_token_id hidden_dropout hidden_dropout_prob id2label
    initializer_range is_decoder is_encoder_decoder is_llama_config label2id length_penalty max_length
    max_window_layers min_length model_type no_repeat_ngram_size num_beam_groups num_beams num_return_sequences
    output_attentions output_hidden_states output_scores pad_token_id prefix pretraining_tp problem_type
    remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id suppress_tokens
    task_specific_params temperature tokenizer_class top_k top_p torch_dtype torchscript transformers.js_config
    transformers_version typical_p unsloth_fixed unsloth_version use_cache
    """.split()
)


class HfConfig:
    """One config.json. Every method that reads a key marks it as read."""

    def __init__(self, path: Path | str, table: dict):
        """`path` is the file, or the text, that messages begin with."""
        self.path = path
        self._table = table
        self._seen: set[str] = set()

    def refuse(self, key: str, why: str) -> ConvertError:
        return ConvertError(f'{self.path}: "{key}": {why}')

    def inside(self, key: str, table: dict) -> "HfConfig":
        """The object `table` under `key`, whose keys are then read and checked in the same way."""
        return HfConfig(f'{self.path}: "{key}"', table)

    def get(self, key: str, default=None):
        """The value under `key`; null counts as absent."""
        self._seen.add(key)
        value = self._table.get(key)
        return default if value is None else value

    def is_null(self, key: str) -> bool:
        """Whether the key is present and null, for keys where null differs from absent."""
        self._seen.add(key)
        return self._table.get(key, "absent") is None

    def _typed(self, key: str, types, wanted: str, default):
        value = self.get(key, default)
        if value is None:
            raise self.refuse(key, f"missing (expected {wanted})")
        if not isinstance(value, types) or (types is not bool and isinstance(value, bool)):
            raise self.refuse(key, f"expected {wanted}, found {value!r:.40}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self._typed(key, str, "a string", default)

    def flag(self, key: str, default: bool) -> bool:
        return self._typed(key, bool, "true or false", default)

    def count(self, key: str, default: int | None = None) -> int:
        """A positive integer."""
        value = self._typed(key, int, "a positive integer", default)
        if value < 1:
            raise self.refuse(key, f"expected a positive integer, found {value}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive finite number."""
        value = float(self._typed(key, (int, float), "a positive number", default))
        if not 0 < value < float("inf"):
            raise self.refuse(key, f"expected a positive number, found {value}")
        return value

    def expect(self, key: str, value) -> None:
        """Refuse all values except the one that the graphs compute, which is also transformers' default."""
        found = self.get(key, value)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            raise self.refuse(key, f"{found!r:.60} is not supported (expected {value!r})")

    def expect_none(self, *keys: str) -> None:
        """Refuse these options if they are set."""
        for key in keys:
            if self.get(key) is not None:
                raise self.refuse(key, f"{self.get(key)!r:.60} is not supported (expected null)")

    def tokens(self, key: str) -> list[int]:
        """The token ids under `key`, which may be absent, one id or a list."""
        value = self.get(key, [])
        ids = value if isinstance(value, list) else [value]
        if not all(isinstance(id, int) and not isinstance(id, bool) and id >= 0 for id in ids):
            raise self.refuse(key, f"expected token ids, found {value!r:.40}")
        return ids

    def finish(self) -> None:
        """Refuse the keys that were not read and are not known to be harmless."""
        for key, value in self._table.items():
            if key not in self._seen and key not in HARMLESS:
                raise self.refuse(
                    key,
                    f"{value!r:.60}: not known to this converter (if it does not change what the model computes, "
                    "take it out of config.json)",
                )
