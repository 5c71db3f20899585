"""What can be seen to be wrong: each module looks at one side of an account, and names what is wrong there now."""

from huracan.health.detectors.every import detectors_of

__all__ = ["detectors_of"]
