"""Measurements, one command each; results are kept with the machine they were made on."""
