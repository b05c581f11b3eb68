"""The error tree: every message is one line that says what was found, what was expected, and what to do."""


class MyoError(Exception):
    """Base of all errors that MyoPatch raises on purpose; the command line prints it in one line and exits with 2."""


class SpecError(MyoError):
    """A patch specification is wrong or inconsistent."""


class DataError(MyoError):
    """A recording or data set is missing, damaged or does not fit the spec."""


class ExportError(MyoError):
    """A model or a front end cannot be compiled for a patch."""


class BundleError(MyoError):
    """A bundle is incomplete, damaged or of another version."""


class BuildError(MyoError):
    """Firmware cannot be built or a tool for it is missing."""


class LinkError(MyoError):
    """The serial line or the board at its end does not do what the protocol says."""


class MismatchError(MyoError):
    """A board and a bundle do not belong together, or device and twin part."""


class ProfileError(MyoError):
    """An image cannot be run under the profiler, or is not what it was said to be."""
