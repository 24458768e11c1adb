"""The programs of millrace, one package each, and the packages that they share."""
