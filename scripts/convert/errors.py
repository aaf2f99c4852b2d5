"""The one exception of the converter: its text is what the user reads."""


class ConvertError(Exception):
    """The source cannot be converted; the message names the file, the place and what was expected."""
