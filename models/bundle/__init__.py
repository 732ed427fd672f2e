"""The bundle: manifest, files, encoders, runners. No torch."""
