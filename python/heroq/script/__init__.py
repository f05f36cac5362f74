"""Runs the scripts of jobs as programs: in private folders, within limits, in a sandbox where the kernel lets us."""

from .launcher import Confinement as Confinement
from .launcher import Limits as Limits
from .program import Program as Program

__all__ = ["Confinement", "Limits", "Program"]
