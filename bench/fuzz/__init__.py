"""Fuzzing of everything that reads untrusted or possibly damaged bytes."""
