"""E-mail and SMS cart retargeting for Django shops."""

__version__ = "0.1.0"
