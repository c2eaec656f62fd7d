"""The conversion endpoints of the door: what vendors report about what happened after a click."""
