"""The converter's only exception, whose text is shown to the user."""

# The way to run a model that cannot be converted.
TRANSFORMERS = "infer --model 'exec:python3 scripts/engines/hf-transformers.py FOLDER'"


class ConvertError(Exception):
    """The source cannot be converted. The message gives the file, the place in it and what was expected."""
