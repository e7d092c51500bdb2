"""Watching the deployed simulator: probes of the real environment, and when they ask for another round."""
