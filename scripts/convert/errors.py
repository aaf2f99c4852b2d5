"""The one exception of the converter: its text is what the user reads."""

# What answers where nothing can be converted.
TRANSFORMERS = "infer --model 'exec:python3 scripts/engines/hf-transformers.py FOLDER'"


class ConvertError(Exception):
    """The source cannot be converted; the message names the file, the place and what was expected."""
