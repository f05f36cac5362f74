"""The package's logger, "heroq"."""

import logging

log = logging.getLogger("heroq")
