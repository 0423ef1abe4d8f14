"""Tunes the settings of anything one can train, and says what can be trusted."""
