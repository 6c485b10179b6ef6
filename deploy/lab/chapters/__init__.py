"""The chapters of the demo; each plays on the reference fabric with a group of its own."""
