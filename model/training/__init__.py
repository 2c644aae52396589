"""Trained sinks: pre-trains three small models on the same tokens and compares how they stream. See README.md."""
