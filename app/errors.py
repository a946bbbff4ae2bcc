"""Every exception that Pratique raises on purpose.

PratiqueError
├── MalformedReview      the caller's bytes are not a review that can be judged
├── ConfigError          a settings or policy file that cannot take effect
├── CatalogError         the shipped checks contradict each other (a bug of ours, found at start-up)
└── ClusterError         the Kubernetes API could not be asked
"""


class PratiqueError(Exception):
    """An expected failure: `summary` is one line for whoever asked, `diagnosis` what to do about it."""

    def __init__(self, summary: str, diagnosis: str = "") -> None:
        """Keep both texts; `str()` gives the summary alone."""
        super().__init__(summary)
        self.summary = summary
        self.diagnosis = diagnosis


class MalformedReview(PratiqueError):  # noqa: N818 - what it is, not that it is one
    """A request body or object that is not valid AdmissionReview JSON for its kind."""


class ConfigError(PratiqueError):
    """A configuration that cannot take effect; the summary names the file, the line and the field."""


class CatalogError(PratiqueError):
    """The set of checks is inconsistent; raised while the catalogue is built, never later."""


class ClusterError(PratiqueError):
    """The Kubernetes API answered with an error or not at all; never carries credentials."""
